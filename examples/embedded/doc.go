// Package embedded shows how a program tests its own alert rules: its test
// starts a whole srcprom, gives it the rules as they are deployed, sets what is
// scraped, and looks at what arrives.
package embedded
