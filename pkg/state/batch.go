package state

// batch is what one transaction writes. Changes of one record take each other's
// place, so that it is bounded by the number of records while the disk takes
// nothing.
type batch struct {
	records []change
	places  map[place]int // in records
	history []Entry       // in the order of their ids

	unneeded map[place]bool // of the records, when it could not be committed
}

// place names a record.
type place struct {
	bucket Bucket
	key    string
}

// change is one record to be written, or to be deleted.
type change struct {
	place
	value   []byte
	deleted bool
}

func newBatch() *batch { return &batch{places: map[place]int{}} }

func (b *batch) add(c change) {
	if i, ok := b.places[c.place]; ok {
		b.records[i] = c
		return
	}
	b.places[c.place] = len(b.records)
	b.records = append(b.records, c)
}

// append adds what came later.
func (b *batch) append(later *batch) {
	for _, c := range later.records {
		b.add(c)
	}
	b.history = append(b.history, later.history...)
}

// drop forgets what is not needed.
func (b *batch) drop() {
	if len(b.unneeded) == 0 {
		return
	}
	kept := newBatch()
	for _, c := range b.records {
		if !b.unneeded[c.place] {
			kept.add(c)
		}
	}
	b.records, b.places, b.unneeded = kept.records, kept.places, nil
}
