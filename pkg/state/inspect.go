package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// contents is what a look at the whole file has found.
type contents struct {
	records     int
	format      int // 0 when it says none
	historySize int64
	lastID      uint64 // of the history
}

// inspect looks at a file from its first page to its last, and at the checksum of
// each record. Its error says that something is damaged; the contents are what
// makes sense nevertheless.
func inspect(data []byte) (*contents, error) {
	img, err := newImage(data)
	if err != nil {
		return &contents{}, damageError{err}
	}
	w := newWalk(img)
	w.faults = append(w.faults, img.faults...)
	w.tree()
	w.checkFree()
	w.checkFormat()
	if len(w.faults) > 0 {
		return &w.contents, damageError(w.faults)
	}
	return &w.contents, nil
}

// damageError is what was found damaged.
type damageError []error

func (e damageError) Error() string {
	texts := make([]string, 0, len(e))
	for _, err := range e {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

// walk goes through the tree of pages.
type walk struct {
	img    *image
	seen   []bool // pages that belong to the tree
	heads  []bool // of these, all that are not run over into by the one before
	broken bool   // the tree does not hold together
	bucket Bucket // whose pages these are

	contents
	formatText, formatSum string
	accepted              []byte
	faults                []error
}

func newWalk(img *image) *walk {
	pages := min(img.meta.pages, uint64(len(img.data)/img.pageSize))
	return &walk{img: img, seen: make([]bool, pages), heads: make([]bool, pages)}
}

// maxFaults is how many faults are named: after the first ones the others say
// little.
const maxFaults = 5

func (w *walk) note(err error) {
	if err != nil && len(w.faults) < maxFaults {
		w.faults = append(w.faults, err)
	}
}

func (w *walk) noteBroken(err error) {
	w.broken = w.broken || err != nil
	w.note(err)
}

func (w *walk) tree() { w.noteBroken(w.pages(w.img.meta.root, bounds{}, w.root)) }

// checkFree compares the tree with the list of free pages: each page is in one of
// them.
func (w *walk) checkFree() {
	if w.img.meta.freelist == noFreelist {
		return
	}
	free, _, err := w.img.free()
	if err == nil {
		_, err = w.mark(w.img.meta.freelist)
	}
	if err != nil {
		w.note(err)
		return
	}
	for id := 2; id < len(w.seen); id++ {
		if w.seen[id] == free[uint64(id)] {
			w.note(fmt.Errorf("page %d: is in use and free, or neither", id))
		}
	}
}

// mark takes a page, which nothing else may have, with those it runs over into.
func (w *walk) mark(id uint64) (page, error) {
	p, err := w.img.page(id)
	if err != nil {
		return page{}, err
	}
	for i := id; i <= id+p.overflow; i++ {
		if w.seen[i] {
			return page{}, fmt.Errorf("page %d: is used twice", i)
		}
		w.seen[i] = true
	}
	w.heads[id] = true
	return p, nil
}

// bounds of the keys in a page; nil for none.
type bounds struct{ from, to []byte }

func (b bounds) include(key []byte) bool {
	return string(key) >= string(b.from) && (b.to == nil || string(key) < string(b.to))
}

// pages goes through the pages from one downwards, and calls f for each entry of
// the leaves. It ends, since no page is entered twice.
func (w *walk) pages(id uint64, within bounds, f func(element) error) error {
	p, err := w.mark(id)
	if err != nil {
		return err
	}
	if p.flags == branchFlag {
		return w.branch(p, within, f)
	}
	err = p.elements(func(e element) error {
		if !within.include(e.key) {
			return errOrder
		}
		return f(e)
	})
	// Only a file in which there never was anything has an empty page.
	if err == nil && (p.flags != leafFlag || p.count == 0 && w.img.meta.tx > 1) {
		err = errLayout
	}
	return inPage(p, err)
}

func (w *walk) branch(p page, within bounds, f func(element) error) error {
	var children []element
	err := p.elements(func(e element) error {
		if !within.include(e.key) {
			return errOrder
		}
		children = append(children, e)
		return nil
	})
	if err == nil && len(children) == 0 {
		err = errLayout
	}
	if err != nil {
		return inPage(p, err)
	}
	for i, child := range children {
		below := bounds{child.key, within.to}
		if i+1 < len(children) {
			below.to = children[i+1].key
		}
		if err := w.pages(child.child, below, f); err != nil {
			return err
		}
	}
	return nil
}

func inPage(p page, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("page %d: %w", p.id, err)
}

// root is called for the entries of the root, which are buckets. What is wrong in
// one says nothing of the others.
func (w *walk) root(e element) error {
	w.bucket = Bucket(e.key)
	w.noteBroken(w.readBucket(e))
	return nil
}

func (w *walk) readBucket(e element) error {
	if !e.bucket || len(e.value) < bucketHeader {
		return fmt.Errorf("%q is no bucket", e.key)
	}
	if id := native.Uint64(e.value); id != 0 {
		return w.pages(id, bounds{}, w.record)
	}
	p, ok := inline(e.value)
	if !ok || p.flags != leafFlag {
		return fmt.Errorf("bucket %q: %w", e.key, errLayout)
	}
	end := headerSize
	err := p.elements(func(e element) error {
		end += elementSize + len(e.key) + len(e.value)
		return w.record(e)
	})
	if err == nil && end != len(p.body) {
		err = errLayout
	}
	if err != nil {
		return fmt.Errorf("bucket %q: %w", e.key, err)
	}
	return nil
}

func (w *walk) record(e element) error {
	if e.bucket {
		return fmt.Errorf("%q is a bucket", e.key)
	}
	at := place{w.bucket, string(e.key)}
	if w.bucket == metaBucket {
		return w.metaRecord(at.key, e.value)
	}
	w.records++
	if at == acceptedPlace {
		w.accepted = e.value // sealed or not, that is a question of the format
	} else if _, err := unseal(at, e.value); err != nil {
		w.note(recordFault(at, err))
	}
	if w.bucket == historyBucket {
		w.historySize += int64(len(e.value) - sumSize + entryOverhead)
		if len(e.key) == 8 {
			w.lastID = binary.BigEndian.Uint64(e.key)
		}
	}
	return nil
}

func recordFault(at place, err error) error {
	return fmt.Errorf("record %q of %q: %w", at.key, at.bucket, err)
}

func (w *walk) metaRecord(key string, value []byte) error {
	switch key {
	case formatKey:
		w.formatText = string(value)
	case formatSumKey:
		w.formatSum = string(value)
	default:
		w.note(fmt.Errorf("%q is nothing that is known", key))
	}
	return nil
}

// checkFormat reads which format the file says it has. The first one, and those
// of newer programs, need have no checksum of that.
func (w *walk) checkFormat() {
	if w.formatText == "" {
		if w.records > 0 {
			w.note(errors.New("it does not say which format it has"))
		}
		return
	}
	version, err := strconv.Atoi(w.formatText)
	wrongSum := w.formatSum != "" && w.formatSum != formatSum(w.formatText)
	if err != nil || version < 1 || wrongSum || version == formatVersion && w.formatSum == "" {
		w.note(fmt.Errorf("its format version is %q", w.formatText))
		return
	}
	w.format = version
	if w.accepted == nil {
		return
	}
	if version == 1 {
		_, err = decodeFirstFormat(w.accepted)
	} else {
		_, err = unseal(acceptedPlace, w.accepted)
	}
	if err != nil {
		w.note(recordFault(acceptedPlace, err))
	}
}
