// Package lifecycle holds what every part of the server has in common: how it
// takes over a configuration ([Step]), how it runs beside the others ([Actors])
// and how what it acquired is released ([Stack]).
package lifecycle
