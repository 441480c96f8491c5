package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
)

// image is a bbolt file as bytes. What bbolt makes of a damaged file is a panic,
// memory without end or a stack without end, of which the latter two cannot be
// caught; so the file is looked at here before bbolt opens it. The format is that
// of bbolt's internal/common: pages of equal size, in the byte order of the
// machine, of which the first two name where the rest begins.
type image struct {
	data     []byte
	pageSize int
	meta     meta
	faults   []error // of the two first pages
}

// meta is what one of the first two pages says. They are written in turn.
type meta struct {
	root, freelist, pages, tx uint64
}

const (
	headerSize   = 16
	elementSize  = 16
	bucketHeader = 16
	metaSize     = 64

	branchFlag   = 0x01
	leafFlag     = 0x02
	freelistFlag = 0x10

	magic       = 0xED0CDAED
	fileVersion = 2
	noFreelist  = ^uint64(0)
)

var native = binary.NativeEndian

var errNoStart = errors.New("neither of its two first pages makes sense")

// newImage finds where a file begins; its error is of files in which that is lost.
func newImage(data []byte) (*image, error) {
	img := &image{data: data}
	first, size := img.readMeta(0)
	second, ok := meta{}, false
	for _, size := range []int{size, os.Getpagesize(), 4096} {
		if size >= 1024 && !ok {
			var says int
			second, says = img.readMeta(size)
			ok = says == size
			img.pageSize = size
		}
	}
	switch {
	case size > 0 && ok && second.tx > first.tx, size == 0 && ok:
		img.meta = second
	case size > 0:
		img.meta, img.pageSize = first, size
	default:
		return nil, errNoStart
	}
	if size == 0 {
		img.faults = append(img.faults, errors.New("page 0: makes no sense"))
	}
	if !ok {
		img.faults = append(img.faults, errors.New("page 1: makes no sense"))
	}
	return img, nil
}

// readMeta reads one of the first two pages, and the page size of the file, 0
// when it makes no sense. One flipped bit is put right: with the other page
// alone, the last transaction would be lost.
func (img *image) readMeta(at int) (m meta, pageSize int) {
	if at+headerSize+metaSize > len(img.data) {
		return meta{}, 0
	}
	b := slices.Clone(img.data[at+headerSize : at+headerSize+metaSize])
	if !validMeta(b) {
		if !repairMeta(b) {
			return meta{}, 0
		}
		img.faults = append(img.faults, fmt.Errorf("page at %d: a bit has flipped", at))
	}
	return meta{
		root:     native.Uint64(b[16:]),
		freelist: native.Uint64(b[32:]),
		pages:    native.Uint64(b[40:]),
		tx:       native.Uint64(b[48:]),
	}, int(native.Uint32(b[8:]))
}

func validMeta(b []byte) bool {
	sum := fnv.New64a()
	sum.Write(b[:metaSize-8])
	pageSize := native.Uint32(b[8:])
	return pageSize >= 1024 && pageSize&(pageSize-1) == 0 && native.Uint32(b) == magic && native.Uint32(b[4:]) == fileVersion && native.Uint64(b[metaSize-8:]) == sum.Sum64()
}

func repairMeta(b []byte) bool {
	for bit := range len(b) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if validMeta(b) {
			return true
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	return false
}

// page is one page with those that it runs over into.
type page struct {
	id       uint64
	flags    uint16
	count    int
	overflow uint64
	body     []byte
}

// header reads a page without believing it: its body reaches to the end of the
// file. ok is false when the page is behind that.
func (img *image) header(id uint64) (p page, ok bool) {
	if id >= uint64(len(img.data)/img.pageSize) {
		return page{}, false
	}
	body := img.data[int(id)*img.pageSize:]
	return page{
		id:       native.Uint64(body),
		flags:    native.Uint16(body[8:]),
		count:    int(native.Uint16(body[10:])),
		overflow: uint64(native.Uint32(body[12:])),
		body:     body,
	}, true
}

// page reads a page whose header must make sense.
func (img *image) page(id uint64) (page, error) {
	p, ok := img.header(id)
	switch {
	case !ok || id < 2 || id+p.overflow >= img.meta.pages || id+p.overflow >= uint64(len(img.data)/img.pageSize):
		return page{}, fmt.Errorf("page %d: outside of the file", id)
	case p.id != id:
		return page{}, fmt.Errorf("page %d: says that it is page %d", id, p.id)
	}
	p.body = p.body[:(int(p.overflow)+1)*img.pageSize]
	return p, nil
}

// element is one entry of a leaf or of a branch.
type element struct {
	key    []byte
	value  []byte // of a leaf
	bucket bool   // of a leaf: value is that of a bucket
	child  uint64 // of a branch: the page below
}

// elements reads the entries of a leaf or branch, whose keys must ascend, and
// whose bytes must follow each other without gap, as bbolt writes them.
func (p page) elements(f func(element) error) error {
	next := headerSize + p.count*elementSize
	var last []byte
	for i := range p.count {
		at := headerSize + i*elementSize
		if at+elementSize > len(p.body) {
			return errLayout
		}
		start, keySize, valueSize, e := p.rawElement(at)
		end := start + keySize + valueSize
		if start != next || keySize == 0 || end > len(p.body) {
			return errLayout
		}
		e.key = p.body[start : start+keySize]
		if p.flags == leafFlag {
			e.value = p.body[start+keySize : end]
		}
		if string(e.key) <= string(last) {
			return errOrder
		}
		if err := f(e); err != nil {
			return err
		}
		next, last = end, e.key
	}
	return nil
}

var (
	errLayout = errors.New("entries are not where they should be")
	errOrder  = errors.New("keys are not in order")
)

// rawElement reads the head of an entry without believing it.
func (p page) rawElement(at int) (start, keySize, valueSize int, e element) {
	head := p.body[at:]
	if p.flags == branchFlag {
		e.child = native.Uint64(head[8:])
		return at + int(native.Uint32(head)), int(native.Uint32(head[4:])), 0, e
	}
	e.bucket = native.Uint32(head)&1 != 0
	return at + int(native.Uint32(head[4:])), int(native.Uint32(head[8:])), int(native.Uint32(head[12:])), e
}

// inline is the page of a small bucket, which is in the bucket's value.
func inline(value []byte) (page, bool) {
	if len(value) < bucketHeader+headerSize {
		return page{}, false
	}
	body := value[bucketHeader:]
	return page{flags: native.Uint16(body[8:]), count: int(native.Uint16(body[10:])), body: body}, true
}

// free returns the pages that are not in use, and whether there might be more: then
// the list goes on behind its end.
func (img *image) free() (free map[uint64]bool, more bool, err error) {
	if img.meta.freelist == noFreelist {
		return nil, false, errors.New("it has no list of free pages")
	}
	p, err := img.page(img.meta.freelist)
	if err != nil {
		return nil, false, err
	}
	if p.flags != freelistFlag {
		return nil, false, fmt.Errorf("page %d: is no list of free pages", p.id)
	}
	ids, count := p.body[headerSize:], uint64(p.count)
	if count == 0xFFFF && len(ids) >= 8 { // then it is in the place of the first
		count, ids = native.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return nil, false, fmt.Errorf("page %d: is too short for %d free pages", p.id, count)
	}
	free = make(map[uint64]bool, count)
	var last uint64
	for ; count > 0; count, ids = count-1, ids[8:] {
		id := native.Uint64(ids)
		if id <= max(last, 1) || id >= img.meta.pages {
			return nil, false, fmt.Errorf("page %d: lists page %d as free", p.id, id)
		}
		free[id], last = true, id
	}
	more = len(ids) >= 8 && native.Uint64(ids) > last && native.Uint64(ids) < img.meta.pages
	return free, more, nil
}
