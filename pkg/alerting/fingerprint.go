package alerting

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"reflect"
	"regexp"
	"slices"
	"time"
)

// fingerprint identifies the value of a section of a configuration. Two loads of
// one text have the same; a changed secret has another.
//
// The engines' structs cannot simply be compared: marshalled they hide their
// secrets, and reflect.DeepEqual finds a difference in what their use has cached
// in them, such as the function that finds the proxy.
type fingerprint [sha256.Size]byte

// deepest bounds the recursion; no configuration is nested like that.
const deepest = 100

func fingerprintOf(values ...any) fingerprint {
	w := walker{hash: sha256.New()}
	for _, v := range values {
		w.walk(reflect.ValueOf(v), 0)
	}
	return fingerprint(w.hash.Sum(nil))
}

type walker struct {
	hash hash.Hash
	buf  [9]byte
}

var (
	regexpType   = reflect.TypeFor[regexp.Regexp]()
	locationType = reflect.TypeFor[time.Location]()
)

func (w *walker) walk(v reflect.Value, depth int) {
	if !v.IsValid() || depth > deepest {
		w.number('0', 0)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		w.number('b', boolBit(v.Bool()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.number('i', uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		w.number('u', v.Uint())
	case reflect.Float32, reflect.Float64:
		w.number('f', math.Float64bits(v.Float()))
	case reflect.String:
		w.text(v.String())
	case reflect.Pointer, reflect.Interface:
		w.indirect(v, depth)
	case reflect.Slice, reflect.Array:
		w.number('l', uint64(v.Len()))
		for i := range v.Len() {
			w.walk(v.Index(i), depth+1)
		}
	case reflect.Map:
		w.mapping(v, depth)
	case reflect.Struct:
		w.structure(v, depth)
	}
}

func (w *walker) indirect(v reflect.Value, depth int) {
	if v.IsNil() {
		w.number('n', 0)
		return
	}
	if v.Kind() == reflect.Interface {
		w.text(v.Elem().Type().String())
	}
	w.number('p', 0)
	w.walk(v.Elem(), depth+1)
}

// structure writes the fields that are set, each with its number.
func (w *walker) structure(v reflect.Value, depth int) {
	switch v.Type() {
	case regexpType: // the rest is compiled from it
		w.text(v.FieldByName("expr").String())
		return
	case locationType: // the rest is read from the time zone's file
		w.text(v.FieldByName("name").String())
		return
	}
	w.number('s', uint64(v.NumField()))
	for i := range v.NumField() {
		field := v.Field(i)
		if field.IsZero() || field.Kind() == reflect.Func || field.Kind() == reflect.Chan {
			continue
		}
		w.number('.', uint64(i))
		w.walk(field, depth+1)
	}
}

// mapping writes the entries in the order of their own fingerprints.
func (w *walker) mapping(v reflect.Value, depth int) {
	entries := make([][]byte, 0, v.Len())
	for iter := v.MapRange(); iter.Next(); {
		entry := walker{hash: sha256.New()}
		entry.walk(iter.Key(), depth+1)
		entry.walk(iter.Value(), depth+1)
		entries = append(entries, entry.hash.Sum(nil))
	}
	slices.SortFunc(entries, bytes.Compare)
	w.number('m', uint64(len(entries)))
	for _, entry := range entries {
		w.hash.Write(entry)
	}
}

func (w *walker) number(kind byte, n uint64) {
	w.buf[0] = kind
	binary.BigEndian.PutUint64(w.buf[1:], n)
	w.hash.Write(w.buf[:])
}

func (w *walker) text(s string) {
	w.number('t', uint64(len(s)))
	fmt.Fprint(w.hash, s)
}

func boolBit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
