package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// object is a decoded JSON object.
type object = map[string]any

// The files that are read, each in its newest dated version.
const (
	organizationFiles   = "admin-organization_*.json"
	userManagementFiles = "admin-user-management_*.json"
	provisioningFiles   = "admin-user-provisioning_*.json"
	jiraFiles           = "jira-platform-v3_*.json"
)

// Spec is one or more documents, mended. It is not changed after Load and may be used by many at
// once.
type Spec struct {
	operations []operation
	prefix     string
	scheme     string // of Authorization
}

// source is a file and what is mended in it.
type source struct {
	files string // glob
	mend  func(*document) error
}

// operation is one call that a document declares.
type operation struct {
	method     string
	path       string // template below the server's own path, such as /users/{account_id}/manage
	segments   []string
	deprecated bool
	parameters []parameter
	body       object // schema; nil: none declared
	required   bool   // the body
	partial    bool   // the body may be any part of its schema
	responses  map[string]response
	schemas    schemas
}

type parameter struct {
	name, in string
	schema   object
}

// response is one declared answer; a nil schema means that no body is described.
type response struct{ schema object }

// document is one OpenAPI file.
type document struct {
	root object
	name string
}

// Load reads the organizations and the user-management file from a folder. Where there are several
// dated versions of one it takes the last.
func Load(folder string) (*Spec, error) {
	return load(folder, "Bearer", source{organizationFiles, mendOrganization},
		source{userManagementFiles, mendUserManagement})
}

// LoadProvisioning reads the file of the SCIM directories likewise.
func LoadProvisioning(folder string) (*Spec, error) {
	return load(folder, "Bearer", source{provisioningFiles, mendProvisioning})
}

// LoadJira reads the file of the Jira platform likewise; calls come with Basic credentials.
func LoadJira(folder string) (*Spec, error) {
	return load(folder, "Basic", source{jiraFiles, func(*document) error { return nil }})
}

func load(folder, scheme string, sources ...source) (*Spec, error) {
	spec := &Spec{scheme: scheme}
	for _, each := range sources {
		found, err := filepath.Glob(filepath.Join(folder, each.files))
		if err != nil {
			return nil, fmt.Errorf("load contract: %w", err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("load contract: no %s in %s", each.files, folder)
		}
		loaded, err := read(slices.Max(found))
		if err == nil {
			mend(loaded)
			err = each.mend(loaded)
		}
		if err == nil {
			err = spec.add(loaded)
		}
		if err != nil {
			return nil, fmt.Errorf("load contract %s: %w", slices.Max(found), err)
		}
	}
	return spec, nil
}

// Under returns the same contract for a server that answers below a path, such as /atlassian.
func (s *Spec) Under(prefix string) *Spec {
	return &Spec{operations: s.operations, prefix: strings.TrimRight(prefix, "/"), scheme: s.scheme}
}

func read(file string) (*document, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	loaded := &document{name: filepath.Base(file)}
	value, err := decode(text)
	if err != nil {
		return nil, err
	}
	root, isObject := value.(object)
	if !isObject {
		return nil, errors.New("not a JSON object")
	}
	loaded.root = root
	return loaded, nil
}

// decode reads one JSON value and keeps numbers as they are written.
func decode(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, errors.New("more than one JSON value")
	}
	return value, nil
}

// add takes the document's operations over.
func (s *Spec) add(d *document) error {
	base := ""
	if servers, _ := d.root["servers"].([]any); len(servers) > 0 {
		server, _ := servers[0].(object)
		parsed, err := url.Parse(text(server["url"]))
		if err != nil {
			return fmt.Errorf("read server: %w", err)
		}
		base = strings.TrimRight(parsed.Path, "/")
	}
	paths, _ := d.root["paths"].(object)
	if len(paths) == 0 {
		return errors.New("no paths")
	}
	for path, methods := range paths {
		methods, _ := methods.(object)
		for method, declared := range methods {
			declared, isOperation := declared.(object)
			if !isOperation || !slices.Contains([]string{"get", "put", "post", "patch", "delete"}, method) {
				continue
			}
			added, err := d.operation(declared)
			if err != nil {
				return fmt.Errorf("read %s %s: %w", method, path, err)
			}
			added.method = strings.ToUpper(method)
			added.path = base + path
			added.segments = strings.Split(added.path, "/")
			s.operations = append(s.operations, added)
		}
	}
	return nil
}

func (d *document) operation(declared object) (operation, error) {
	read := operation{
		deprecated: declared["deprecated"] == true,
		partial:    declared[partialMark] == true,
		responses:  make(map[string]response),
		schemas:    schemas{root: d.root},
	}
	parameters, _ := declared["parameters"].([]any)
	for _, each := range parameters {
		resolved, err := read.schemas.resolve(each)
		if err != nil {
			return read, err
		}
		schema, _ := resolved["schema"].(object)
		read.parameters = append(read.parameters, parameter{
			name: text(resolved["name"]), in: text(resolved["in"]), schema: schema,
		})
	}
	if declared["requestBody"] != nil {
		resolved, err := read.schemas.resolve(declared["requestBody"])
		if err != nil {
			return read, err
		}
		read.body, read.required = content(resolved), resolved["required"] == true
	}
	responses, _ := declared["responses"].(object)
	for status, each := range responses {
		resolved, err := read.schemas.resolve(each)
		if err != nil {
			return read, err
		}
		read.responses[status] = response{schema: content(resolved)}
	}
	return read, nil
}

// content returns the schema of the JSON content of a body or a response, or nil.
func content(body object) object {
	kinds, _ := body["content"].(object)
	kind, _ := kinds["application/json"].(object)
	schema, _ := kind["schema"].(object)
	return schema
}

// text returns a value that ought to be a string, else "".
func text(value any) string {
	s, _ := value.(string)
	return s
}

// find returns the operation for a call, and its path parameters by name, unescaped. More literal
// segments win: users/search over users/{userId}.
func (s *Spec) find(method, path string) (operation, map[string]string, bool) {
	below, under := strings.CutPrefix(path, s.prefix)
	if !under {
		return operation{}, nil, false
	}
	given := strings.Split(below, "/")
	var (
		best   operation
		values map[string]string
	)
	for _, each := range s.operations {
		if each.method != method || len(each.segments) != len(given) {
			continue
		}
		if matched, fits := each.match(given); fits && (values == nil || len(matched) < len(values)) {
			best, values = each, matched
		}
	}
	return best, values, values != nil
}

func (o operation) match(given []string) (map[string]string, bool) {
	values := make(map[string]string)
	for i, segment := range o.segments {
		name, isParameter := strings.CutPrefix(segment, "{")
		if !isParameter {
			if segment != given[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(given[i])
		if err != nil || value == "" {
			return nil, false
		}
		values[strings.TrimSuffix(name, "}")] = value
	}
	return values, true
}
