package web

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v2"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// openAPIDocument is as much of one as the tests compare.
type openAPIDocument struct {
	Servers []struct {
		URL string `yaml:"url"`
	} `yaml:"servers"`
	Paths map[string]map[string]struct {
		Parameters []struct {
			Name string `yaml:"name"`
		} `yaml:"parameters"`
		Responses map[string]any `yaml:"responses"`
	} `yaml:"paths"`
	Components struct {
		Schemas map[string]struct {
			Required   []string       `yaml:"required"`
			Properties map[string]any `yaml:"properties"`
		} `yaml:"schemas"`
	} `yaml:"components"`
}

func parseOpenAPI(t *testing.T) openAPIDocument {
	t.Helper()
	var document openAPIDocument
	require.NoError(t, yaml.Unmarshal(openAPI, &document))
	return document
}

func TestOpenAPI_DescribesEveryEndpointAndNoOther(t *testing.T) {
	document := parseOpenAPI(t)
	var described, served []string
	for path, methods := range document.Paths {
		for method := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	for _, e := range newTestServer(t).endpoints() {
		served = append(served, e.method+" "+e.path)
	}
	require.ElementsMatch(t, served, described)
	require.Equal(t, client.BasePath, document.Servers[0].URL)
}

func TestOpenAPI_SchemasAreTheWireTypes(t *testing.T) {
	schemas := parseOpenAPI(t).Components.Schemas
	types := []reflect.Type{
		reflect.TypeFor[client.Config](), reflect.TypeFor[client.Document](), reflect.TypeFor[client.Provenance](),
		reflect.TypeFor[client.ConfigRequest](), reflect.TypeFor[client.ConfigResult](), reflect.TypeFor[client.SetAside](),
		reflect.TypeFor[client.Fault](), reflect.TypeFor[client.Readiness](), reflect.TypeFor[client.ErrorBody](),
		reflect.TypeFor[client.ConfigHistory](), reflect.TypeFor[client.ConfigVersion](), reflect.TypeFor[client.DocumentChange](),
		reflect.TypeFor[client.RollbackRequest](), reflect.TypeFor[client.History](), reflect.TypeFor[client.HistoryEntry](),
		reflect.TypeFor[client.Explanations](), reflect.TypeFor[client.Explanation](), reflect.TypeFor[client.ExplainedRule](),
		reflect.TypeFor[client.ExplainedRoute](), reflect.TypeFor[client.ExplainedSilence](), reflect.TypeFor[client.ExplainedInhibition](),
		reflect.TypeFor[client.ExplainedIntegration](), reflect.TypeFor[client.Health](), reflect.TypeFor[client.PartHealth](),
		reflect.TypeFor[client.HealthProblem](), reflect.TypeFor[client.SiteConfigResult](), reflect.TypeFor[client.ConfigProblem](),
		reflect.TypeFor[client.TestNotificationRequest](), reflect.TypeFor[client.TestNotificationResult](), reflect.TypeFor[client.TestedReceiver](),
		reflect.TypeFor[client.TestedIntegration](),
	}
	require.Len(t, schemas, len(types))
	for _, typ := range types {
		var names, required []string
		for field := range fields(typ) {
			name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "-" {
				continue
			}
			names = append(names, name)
			if options != "omitempty" {
				required = append(required, name)
			}
		}
		schema, ok := schemas[typ.Name()]
		require.True(t, ok, "no schema %s", typ.Name())
		var properties []string
		for name := range schema.Properties {
			properties = append(properties, name)
		}
		require.ElementsMatch(t, names, properties, typ.Name())
		require.ElementsMatch(t, required, schema.Required, typ.Name())
	}
}

func fields(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for _, field := range reflect.VisibleFields(typ) {
			if !field.Anonymous && !yield(field) {
				return
			}
		}
	}
}

func TestOpenAPI_NamesTheParametersThatAreTaken(t *testing.T) {
	for _, path := range []string{"/config", "/config/rollback"} {
		parameters := parseOpenAPI(t).Paths[path]["post"].Parameters
		for _, parameter := range parameters {
			for _, value := range []string{"0", "1"} {
				_, err := parseConfigMode(parameter.Name + "=" + value)
				require.NoError(t, err)
			}
		}
		require.Len(t, parameters, reflect.TypeFor[configMode]().NumField())
	}
	for path, known := range map[string][]string{"/history": historyParams(), "/explain": explainParams(), "/config/history": configHistoryParams()} {
		var described []string
		for _, parameter := range parseOpenAPI(t).Paths[path]["get"].Parameters {
			described = append(described, parameter.Name)
		}
		require.ElementsMatch(t, known, described, path)
	}
}

func TestOpenAPI_IsServed(t *testing.T) {
	s := startServer(t)
	a := s.get(t, client.BasePath+"/openapi.yaml")
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, string(openAPI), a.body)
	require.Equal(t, "application/yaml; charset=utf-8", a.header.Get("Content-Type"))
}
