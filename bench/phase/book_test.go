package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at is a moment, in milliseconds.
func at(ms int) time.Time { return time.UnixMilli(int64(ms)) }

func TestBook_LatencyIsFromTheFirstScrapeToTheFirstNotification(t *testing.T) {
	b := newBook()
	one := b.begin([]string{"x"}, 2)
	two := b.begin([]string{"y"}, 1)
	require.Equal(t, []int{one.id}, b.carried("x"))
	require.Equal(t, []int{two.id}, b.carried("y"))
	require.Empty(t, b.carried("z"))

	pair, ours := scrape{"pair", "x"}, scrape{"srcprom", "x"}
	b.noteServed(pair, []int{one.id}, at(100))
	b.noteServed(ours, []int{one.id}, at(200))
	b.noteServed(pair, []int{one.id}, at(1100))
	b.noteArrived(notification{ours, "g"}, one.id, at(212))
	b.noteArrived(notification{ours, "g"}, one.id, at(300))
	require.NotPanics(t, func() { b.noteArrived(notification{ours, "g"}, 77, at(300)) }, "an alert of a trial that has ended")
	select {
	case <-one.complete:
		t.Fatal("complete with one of two notifications")
	default:
	}
	b.noteArrived(notification{pair, "g"}, one.id, at(1150))
	<-one.complete

	latencies, err := b.end(one)
	require.NoError(t, err)
	require.Equal(t, map[string][]time.Duration{"pair": {1050 * time.Millisecond}, "srcprom": {12 * time.Millisecond}}, latencies)
	require.Empty(t, b.carried("x"), "an ended trial is off its targets")
	require.Equal(t, []int{two.id}, b.carried("y"))
}

func TestBook_WhatIsMissingIsSaid(t *testing.T) {
	b := newBook()
	one := b.begin([]string{"x"}, 2)
	b.noteServed(scrape{"pair", "x"}, []int{one.id}, at(1))
	b.noteArrived(notification{scrape{"pair", "x"}, "g"}, one.id, at(2))
	_, err := b.end(one)
	require.EqualError(t, err, "trial 1: 1 of 2 notifications arrived: map[pair:1]")

	two := b.begin([]string{"x"}, 1)
	b.noteServed(scrape{"srcprom", "x"}, []int{two.id}, at(1))
	b.noteArrived(notification{scrape{"pair", "x"}, "g"}, two.id, at(2))
	_, err = b.end(two)
	require.ErrorContains(t, err, "a notification of pair arrived before its target x had served it")
}
