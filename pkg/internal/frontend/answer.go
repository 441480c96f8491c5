package frontend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sourcegraph/srcprom/pkg/internal/frontend/frontendpb"
)

// Limit is the size, in bytes, of the largest answer that clients take.
const Limit = 90 << 20

// migrationMark stands for each of the addresses of databases during a migration.
const migrationMark = "!migrationinprogress!"

// Answer is what a [Frontend] says to one call. The zero value is an empty site
// configuration, told at once.
type Answer struct {
	// Site configuration, in JSONC.
	Site string
	// Migrating tells that the databases are being migrated.
	Migrating bool
	// Garbage answers what cannot be decoded; Site is somewhere in it.
	Garbage bool
	// Delay is how long the answer takes. Hang never answers.
	Delay time.Duration
	Hang  bool
	// Code refuses the call: with this status over gRPC, with its like over HTTP.
	Code codes.Code
	// RetryAfter is that header of a refusal over HTTP.
	RetryAfter string
	// Bytes is how long the answer is made, with spaces behind Site; zero leaves it as
	// long as it is.
	Bytes int
}

// Site answers with a site configuration.
func Site(text string) Answer { return Answer{Site: text} }

// Refusal answers with an error.
func Refusal(code codes.Code) Answer { return Answer{Code: code} }

// Hang never answers.
func Hang() Answer { return Answer{Hang: true} }

// Migration answers as a frontend does whose databases are being migrated.
func Migration() Answer { return Answer{Site: "{}", Migrating: true} }

// connections have passwords in them, as the true ones do.
func (a Answer) connections(secret string) *frontendpb.ServiceConnections {
	dsn := func(db string) string {
		if a.Migrating {
			return migrationMark
		}
		return fmt.Sprintf("postgres://sg:%s@%s:5432/sg", secret, db)
	}
	return &frontendpb.ServiceConnections{
		GitServers:           []string{"gitserver-0:3178"},
		PostgresDsn:          dsn("pgsql"),
		CodeIntelPostgresDsn: dsn("codeintel-db"),
		CodeInsightsDsn:      dsn("codeinsights-db"),
		Searchers:            []string{"searcher-0:3181"},
		Symbols:              []string{"symbols-0:3184"},
		Embeddings:           []string{"embeddings-0:9991"},
		Qdrant:               "qdrant:6334",
		Zoekts:               []string{"indexed-search-0:6070"},
		ZoektListTtl:         durationpb.New(30 * time.Second),
	}
}

// message is the answer over gRPC.
func (a Answer) message(id int, secret string) any {
	if a.Garbage {
		return []byte("\x0a\xff\xff\xff\x7f" + a.Site + secret)
	}
	message := &frontendpb.GetConfigResponse{RawUnified: &frontendpb.RawUnified{
		Id: int32(id), Site: a.Site, ServiceConnections: a.connections(secret),
	}}
	for missing := a.Bytes - proto.Size(message); a.Bytes > 0 && missing != 0; missing = a.Bytes - proto.Size(message) {
		message.RawUnified.Site = pad(message.RawUnified.Site, missing)
	}
	return message
}

// body is the answer over HTTP.
func (a Answer) body(id int, secret string) ([]byte, error) {
	if a.Garbage {
		return []byte("<!doctype html>" + a.Site + secret), nil
	}
	c := a.connections(secret)
	answer := map[string]any{
		"ID":   id,
		"Site": a.Site,
		"ServiceConnections": map[string]any{
			"gitServers":              c.GitServers,
			"postgresDSN":             c.PostgresDsn,
			"codeIntelPostgresDSN":    c.CodeIntelPostgresDsn,
			"codeInsightsPostgresDSN": c.CodeInsightsDsn,
			"searchers":               c.Searchers,
			"symbols":                 c.Symbols,
			"embeddings":              c.Embeddings,
			"qdrant":                  c.Qdrant,
			"zoekts":                  c.Zoekts,
			"zoektListTTL":            c.ZoektListTtl.AsDuration(),
		},
	}
	body, err := json.Marshal(answer)
	if err != nil || a.Bytes == 0 {
		return body, err
	}
	answer["Site"] = pad(a.Site, a.Bytes-len(body))
	return json.Marshal(answer)
}

// pad makes a text longer, or shorter when it has been made too long.
func pad(text string, by int) string {
	if by < 0 {
		return text[:len(text)+by]
	}
	return text + strings.Repeat(" ", by)
}

// httpStatus is how a refusal looks over HTTP.
func (a Answer) httpStatus() int {
	switch a.Code {
	case codes.OK:
		return http.StatusOK
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unimplemented, codes.NotFound:
		return http.StatusNotFound
	default:
		return http.StatusInternalServerError
	}
}
