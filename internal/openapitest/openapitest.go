// Package openapitest holds what tests ask of the HTTP API, and what it answers, to its description. An answer
// with a field that the description lacks is an error here, although clients have to take it.
package openapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

const ndjson = "application/x-ndjson"

// Description is one of OpenAPI.
type Description struct {
	doc    *openapi3.T
	router routers.Router
}

// Load reads a description.
func Load(file string) (*Description, error) {
	openapi3filter.RegisterBodyDecoder(ndjson, openapi3filter.PlainBodyDecoder)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil // any
	seen := map[*openapi3.Schema]bool{}
	for _, item := range doc.Paths.Map() {
		for _, o := range item.Operations() {
			for _, r := range o.Responses.Map() {
				for _, media := range r.Value.Content {
					closeObjects(media.Schema, seen)
				}
			}
		}
	}
	for _, name := range []string{"BatchLine", "BatchSummary"} { // of an answer whose lines no schema describes as a whole
		closeObjects(doc.Components.Schemas[name], seen)
	}
	router, err := legacy.NewRouter(doc)
	return &Description{doc, router}, err
}

// closeObjects has objects take no field but their own.
func closeObjects(ref *openapi3.SchemaRef, seen map[*openapi3.Schema]bool) {
	if ref == nil || ref.Value == nil || seen[ref.Value] {
		return
	}
	s := ref.Value
	seen[s] = true
	if len(s.Properties) > 0 && s.AdditionalProperties.Schema == nil {
		s.AdditionalProperties.Has = new(bool)
	}
	for _, p := range s.Properties {
		closeObjects(p, seen)
	}
	for _, p := range slices.Concat(s.AllOf, s.AnyOf, s.OneOf, openapi3.SchemaRefs{s.Items}) {
		closeObjects(p, seen)
	}
}

// Check reports what of a request that was taken, and of any answer, is not as the description has it.
func (d *Description) Check(req *http.Request, body string, status int, header http.Header, answer []byte) error {
	route, params, err := d.router.FindRoute(req)
	// The router takes a path with a slash at its end for the one without, and an encoded slash for one.
	if err != nil || strings.HasSuffix(req.URL.Path, "/") || strings.Contains(strings.ToLower(req.URL.EscapedPath()), "%2f") {
		if !slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusForbidden}, status) {
			return fmt.Errorf("%s %s: status %d, and there is no such route: %w", req.Method, req.URL.Path, status, err)
		}
		return nil
	}
	ctx := context.WithoutCancel(req.Context())
	again := req.Clone(ctx)
	again.Body = io.NopCloser(strings.NewReader(body))
	in := &openapi3filter.RequestValidationInput{Request: again, PathParams: params, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
	}}
	var wrong error
	if status < 300 {
		if err := openapi3filter.ValidateRequest(ctx, in); err != nil {
			wrong = fmt.Errorf("%s %s was answered with %d and is not described: %w", req.Method, req.URL, status, err)
		}
	}
	if req.Method == http.MethodHead {
		return wrong
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: status, Header: header, Options: in.Options}
	out.SetBodyBytes(answer)
	if err := openapi3filter.ValidateResponse(ctx, out); err != nil {
		wrong = errors.Join(wrong, fmt.Errorf("%s %s: the answer %d is not described: %w", req.Method, req.URL, status, err))
	}
	if header.Get("Content-Type") == ndjson {
		wrong = errors.Join(wrong, d.checkLines(answer))
	}
	return wrong
}

// checkLines holds every line of a batch's answer to its schema: the last is the summary, those before it are
// results. The validator is given the results as one list, since it compiles a schema for each value that it is given:
// one by one, that takes more than a hundred times as long.
func (d *Description) checkLines(text []byte) error {
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	values := make([]any, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal(line, &values[i]); err != nil {
			return fmt.Errorf("line %d of the answer, %.500s: %w", i+1, line, err)
		}
	}
	last := len(values) - 1
	if err := visit(d.doc.Components.Schemas["BatchSummary"].Value, values[last]); err != nil {
		return fmt.Errorf("the last line of the answer, %.500s: %w", lines[last], err)
	}
	results := openapi3.NewArraySchema()
	results.Items = d.doc.Components.Schemas["BatchLine"]
	if err := visit(results, values[:last]); err != nil {
		return fmt.Errorf("the lines of the answer, numbered from 0: %w", err)
	}
	return nil
}

func visit(s *openapi3.Schema, value any) error {
	return s.VisitJSON(value, openapi3.EnableJSONSchema2020())
}
