package rules

import (
	"maps"
	"slices"
)

// feed is what a group reads.
type feed struct {
	any  bool     // series of any job
	jobs []string // series of these, each once
	from []string // keys of the groups whose results it reads directly, without its own, each once
}

// fed tells whether it reads anything that comes in.
func (f *feed) fed() bool { return f.any || len(f.jobs) > 0 || len(f.from) > 0 }

// feeds finds what each group reads, by its key.
func (s *ruleSet) feeds() map[string]*feed {
	makers := newMakers[string]()
	for _, key := range s.keys {
		for _, rule := range s.groups[key].Rules {
			makers.add(rule, key)
		}
	}
	feeds := make(map[string]*feed, len(s.keys))
	for _, key := range s.keys {
		feeds[key] = s.feedOf(key, makers)
	}
	s.cutCircles(feeds)
	return feeds
}

func (s *ruleSet) feedOf(key string, makers makers[string]) *feed {
	f := &feed{}
	jobs, from := map[string]struct{}{}, map[string]struct{}{}
	for _, rule := range s.groups[key].Rules {
		for _, in := range s.inputs[rule.Expr] {
			keys, alone := makers.of(in)
			for _, other := range keys {
				from[other] = struct{}{}
			}
			if alone {
				continue
			}
			f.any = f.any || len(in.jobs) == 0
			for _, job := range in.jobs {
				jobs[job] = struct{}{}
			}
		}
	}
	delete(from, key)
	f.jobs, f.from = slices.Collect(maps.Keys(jobs)), slices.Sorted(maps.Keys(from))
	return f
}

// cutCircles makes groups that read each other follow in one direction only: they
// would trigger each other for ever.
func (s *ruleSet) cutCircles(feeds map[string]*feed) {
	onTheWay, done := map[string]bool{}, map[string]bool{}
	var visit func(key string)
	visit = func(key string) {
		if done[key] {
			return
		}
		onTheWay[key] = true
		f := feeds[key]
		f.from = slices.DeleteFunc(f.from, func(from string) bool { return onTheWay[from] })
		for _, from := range f.from {
			visit(from)
		}
		delete(onTheWay, key)
		done[key] = true
	}
	for _, key := range s.keys {
		visit(key)
	}
}
