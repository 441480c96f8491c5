package config

import (
	"fmt"

	amconfig "github.com/prometheus/alertmanager/config"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/rulefmt"
)

// Effective is a configuration as it will run: the engines' own structs, each
// the result of its engine's Load, and beside them what no struct of theirs holds.
// It is never changed once built.
type Effective struct {
	// Documents is what it was computed from, file globs read.
	Documents Documents
	// Prometheus has the scrape jobs of scrape_config_files among its own.
	Prometheus *promconfig.Config
	// Alertmanager has no integration that was set aside.
	Alertmanager *amconfig.Config
	// RuleFiles in the order of their documents' names.
	RuleFiles []RuleFile
	// Templates in the order of their documents' names.
	Templates []Template
	// SetAside lists the entries whose text was wrong.
	SetAside []SetAside
	// Lost lists the integrations among them that have no earlier version to run.
	// They are absent from their receiver, whose later integrations of the same
	// type have moved up, see TextIndex.
	Lost []Integration
	// Standing has an entry for each that was set aside, by its key: the text that
	// runs in its place, empty when nothing does. Keys are
	// `scrape_configs/<job>`, `receivers/<name>/<type>_configs[<index>]` and
	// `<rules document>/<group>`.
	Standing map[string]string
	// Problems are what could not be used of [SiteConfigDocument], in words for who
	// wrote it.
	Problems []string
	// Unmatched are the globs of the main documents that match no file.
	Unmatched []Unmatched
	// Warnings are said to the operator and change nothing.
	Warnings []string
}

// TextIndex is the index in the text of an integration that a receiver still
// has, where index is that among those of its type which are left. They differ
// when one before it is lost. The notification log has to know it by the former:
// under another index it would inherit the entries of its neighbour.
func (e *Effective) TextIndex(receiver, kind string, index int) int {
	lost := e.lost(receiver, kind)
	for text := 0; ; text++ {
		if lost[text] {
			continue
		}
		if index == 0 {
			return text
		}
		index--
	}
}

// lost are the indexes in the text of the integrations that a receiver has lost.
func (e *Effective) lost(receiver, kind string) map[int]bool {
	lost := map[int]bool{}
	for _, l := range e.Lost {
		if l.Receiver == receiver && l.Type == kind {
			lost[l.Index] = true
		}
	}
	return lost
}

// RuleFile is one rule document, parsed.
type RuleFile struct {
	// ID is the path of a file, else the document's name. The rule engine makes
	// it part of a group's identity: another ID loses the group's state.
	ID     string
	Groups []rulefmt.RuleGroup
	// Evaluation tells when groups are evaluated, by their names:
	// [EvaluationAfterScrape] or [EvaluationClock]. Groups that do not say it
	// themselves are not in it; it is nil where none does.
	Evaluation map[string]string
}

// Template is one notification template.
type Template struct {
	Name    string
	Content string
}

// Unmatched is a glob that matches no file.
type Unmatched struct {
	Document string // that has the glob
	Setting  string // "rule_files", "scrape_config_files" or "templates"
	Pattern  string // absolute
}

func (u Unmatched) String() string {
	return fmt.Sprintf("%s: %s matches no file: %q", u.Document, u.Setting, u.Pattern)
}

// Integration names one integration of a receiver, for example the second
// webhook of "team-a" as {"team-a", "webhook", 1}.
type Integration struct {
	Receiver string
	Type     string // as the engine calls it: "webhook", "email"
	Index    int    // in the text
	Reason   string
}

// SetAside is one entry of a document that does not run as written, because
// its text is wrong, while everything beside it does.
type SetAside struct {
	Document string `json:"document"`
	// Name is for example `scrape_configs/node`, `groups/disk` or
	// `receivers/team-a/webhook_configs[1]`; the path of a file that could not be read.
	Name   string `json:"name"`
	Line   int    `json:"line"` // 1-based; 0 when unknown
	Reason string `json:"reason"`
}
