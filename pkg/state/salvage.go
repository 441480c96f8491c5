package state

import (
	"slices"
)

// salvage finds what is readable of a damaged file. A record is readable when its
// checksum says so, wherever it is: so neither the tree of pages nor what a page
// says of itself is needed, and a flipped bit loses at most the record that it is
// in. Only pages that are in use are looked at; in the others are records as they
// once were.
type salvage struct {
	img   *image
	names []Bucket // of buckets, that of the last record first
	take  func(at place, value []byte) error
	found int
	lost  int // known of: a page without any sense counts as one
}

func newSalvage(img *image, take func(at place, value []byte) error) *salvage {
	return &salvage{img: img, take: take, names: []Bucket{
		historyBucket, NotificationLog, Alerts, Silences, Intents, Marks, configBucket, versionsBucket,
	}}
}

// run calls take for each readable record. The value is part of the image.
func (s *salvage) run() error {
	used := s.used()
	s.findNames(used)
	runsInto := 0 // pages before it belong to the one before
	for id := range used {
		p, ok := s.leaf(id, used)
		if !ok || p.id != uint64(id) && id < runsInto {
			continue
		}
		if err := s.read(p, p.id == uint64(id)); err != nil {
			return err
		}
		runsInto = id + 1 + int(p.overflow)
	}
	return nil
}

// read takes the records of a page. A disk that cannot read it loses only these.
func (s *salvage) read(p page, isPage bool) error {
	var found, lost int
	var taking error
	err := catch(func() error {
		found, lost, taking = s.readLeaf(p, true)
		return nil
	})
	if err != nil || !isPage && found == 0 {
		lost++
	}
	s.found, s.lost = s.found+found, s.lost+lost
	return taking
}

// used says of each page whether it is in use. The tree and the list of free pages
// both know, and when one of them is wrong the other is believed: the list, unless
// the tree holds together and the list calls a page of it free, or goes on behind
// its end.
func (s *salvage) used() []bool {
	w := newWalk(s.img)
	if catch(func() error { w.tree(); return nil }) != nil {
		w.broken = true
	}
	var free map[uint64]bool
	var doubtful bool
	err := catch(func() (err error) { free, doubtful, err = s.img.free(); return err })
	used := make([]bool, len(w.seen))
	for id := range used {
		isFree := free[uint64(id)]
		used[id] = id >= 2 && !isFree
		doubtful = doubtful || isFree && w.seen[id]
	}
	if err != nil || doubtful && !w.broken {
		return w.heads
	}
	return used
}

// leaf returns a page that may be a leaf. It is believed to go on as long as the
// pages behind it are none of their own.
func (s *salvage) leaf(id int, used []bool) (p page, ok bool) {
	if !used[id] {
		return page{}, false
	}
	err := catch(func() error {
		p, ok = s.img.header(uint64(id))
		end := id + 1
		for next, there := s.img.header(uint64(end)); there && next.id != uint64(end); next, there = s.img.header(uint64(end)) {
			end++
		}
		p.body = p.body[:min(len(p.body), (end-id)*s.img.pageSize)]
		return nil
	})
	return p, err == nil && ok && p.flags != branchFlag && p.flags != freelistFlag
}

// findNames looks for buckets that are not known here.
func (s *salvage) findNames(used []bool) {
	for id := range used {
		p, ok := s.leaf(id, used)
		if !ok || p.flags != leafFlag {
			continue
		}
		_ = catch(func() error { // what is behind a fault is not looked for
			return p.elements(func(e element) error {
				if e.bucket && Bucket(e.key) != metaBucket && !slices.Contains(s.names, Bucket(e.key)) {
					s.names = append(s.names, Bucket(e.key))
				}
				return nil
			})
		})
	}
}

// readLeaf takes the records of a page.
func (s *salvage) readLeaf(p page, outer bool) (found, lost int, err error) {
	p.flags = leafFlag
	sure, all := p.entries()
	end := headerSize + sure*elementSize // of what is before
	for i := range all {
		spans := p.spans(i, all, end)
		inner, innerLost, ok, err := s.readEntry(p, i, spans, outer)
		if err != nil {
			return found, lost, err
		}
		if !ok && i >= sure {
			return found, lost, nil
		}
		if !ok {
			lost++
		}
		found, lost = found+inner, lost+innerLost
		end = spans[0].end()
	}
	return found, lost, nil
}

// entries says how many entries a page has: it says so itself, and the first entry
// begins where their heads end. If one of them is wrong, there are at least as many
// as the lesser says.
func (p page) entries() (sure, all int) {
	room := (len(p.body) - headerSize) / elementSize
	if room <= 0 {
		return 0, 0
	}
	start, _, _, _ := p.rawElement(headerSize)
	sure, all = p.count, (start-headerSize)/elementSize
	return min(sure, all, room), min(max(sure, all), room)
}

// span is where an entry may be.
type span struct{ start, keySize, valueSize int }

func (s span) end() int { return s.start + s.keySize + s.valueSize }

// spans are the places where an entry may be, if one of the numbers of its head is
// wrong: entries follow each other without gap.
func (p page) spans(i, all, before int) []span {
	at := headerSize + i*elementSize
	start, keySize, valueSize, _ := p.rawElement(at)
	spans := []span{{start, keySize, valueSize}, {before, keySize, valueSize}}
	if i == 0 {
		spans = append(spans, span{headerSize + all*elementSize, keySize, valueSize})
	}
	if i+1 < all {
		next, _, _, _ := p.rawElement(at + elementSize)
		spans = append(spans, span{start, keySize, next - start - keySize}, span{start, next - start - valueSize, valueSize})
	}
	return spans
}

// readEntry takes a record, or those of a small bucket. ok is false when it made
// sense nowhere.
func (s *salvage) readEntry(p page, i int, spans []span, outer bool) (found, lost int, ok bool, err error) {
	for _, at := range spans {
		if at.start < headerSize || at.keySize <= 0 || at.valueSize < 0 || at.end() > len(p.body) {
			continue
		}
		key, value := p.body[at.start:at.start+at.keySize], p.body[at.start+at.keySize:at.end()]
		if taken, err := s.readRecord(string(key), value); taken || err != nil {
			return 1, 0, true, err
		}
		if isStructure(s.names, key, value) {
			return 0, 0, true, nil
		}
	}
	inlines := outer && s.mayBeBucket(p, i)
	for _, at := range spans {
		if !inlines || at.start < headerSize || at.keySize <= 0 || at.start+at.keySize > len(p.body) {
			continue
		}
		if inner, isPage := inline(p.body[at.start+at.keySize:]); isPage {
			if found, lost, err := s.readLeaf(inner, false); found > 0 || err != nil {
				return found, lost, true, err
			}
		}
	}
	return 0, 0, false, nil
}

// isStructure is true of what no record of ours is: what the file says of itself,
// and the pointers to the pages of buckets, empty ones included.
func isStructure(names []Bucket, key, value []byte) bool {
	return string(key) == formatKey || string(key) == formatSumKey || string(key) == string(metaBucket) ||
		len(value) <= bucketHeader+headerSize && slices.Contains(names, Bucket(key))
}

// readRecord takes a record, if it is one of any bucket.
func (s *salvage) readRecord(key string, sealed []byte) (taken bool, err error) {
	for i, name := range s.names {
		at := place{name, key}
		if value, err := unseal(at, sealed); err == nil {
			s.names[0], s.names[i] = s.names[i], s.names[0]
			return true, s.take(at, value)
		}
	}
	if key != acceptedKey {
		return false, nil
	}
	if _, err := decodeFirstFormat(sealed); err != nil {
		return false, nil
	}
	return true, s.take(acceptedPlace, sealed)
}

// mayBeBucket says whether an entry is marked as a bucket, or has the name of one.
func (s *salvage) mayBeBucket(p page, i int) bool {
	start, keySize, _, e := p.rawElement(headerSize + i*elementSize)
	if e.bucket || start < headerSize || keySize < 0 || start+keySize > len(p.body) {
		return e.bucket
	}
	return slices.Contains(s.names, Bucket(p.body[start:start+keySize]))
}
