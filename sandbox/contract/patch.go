package contract

import (
	"errors"
	"fmt"
	"maps"
	"strings"
)

// partialMark is set on an operation whose request may be any part of its schema.
const partialMark = "x-countersign-partial"

// mend removes the faults that the files share.
func mend(d *document) {
	walk(d.root, func(each object) {
		// The pattern of AccountId ends in a line feed, so that a strict reader refuses every id.
		if pattern, isText := each["pattern"].(string); isText {
			each["pattern"] = strings.TrimSpace(pattern)
		}
		// Real account ids are no UUIDs, though some are marked so.
		if each["format"] == "uuid" {
			delete(each, "format")
		}
	})
	paths, _ := d.root["paths"].(object)
	for path, methods := range paths {
		// Older copies have a path that ends in an apostrophe.
		if clean := strings.TrimRight(path, "'"); clean != path {
			delete(paths, path)
			paths[clean] = methods
		}
	}
}

// mendOrganization removes the faults of the organizations file.
func mendOrganization(d *document) error {
	paths, _ := d.root["paths"].(object)
	// The path says {userId}, its parameter accountId.
	const wrong, right = "/v2/orgs/{orgId}/directories/{directoryId}/users/{userId}",
		"/v2/orgs/{orgId}/directories/{directoryId}/users/{accountId}"
	if user, there := paths[wrong].(object); there {
		other, _ := paths[right].(object)
		maps.Copy(user, other)
		delete(paths, wrong)
		paths[right] = user
	}
	// The bounds of an invitation's addresses stand at a list as those of a number.
	components, _ := d.root["components"].(object)
	named, _ := components["schemas"].(object)
	if invite, there := named["MultidirectoryInviteApiRequest"].(object); there {
		properties, _ := invite["properties"].(object)
		emails, _ := properties["emails"].(object)
		if emails["maximum"] == nil {
			return errors.New("the addresses of an invitation have no maximum")
		}
		emails["maxItems"] = emails["maximum"]
		delete(emails, "maximum")
		delete(emails, "minimum")
	}
	// The gateway in front of v2 answers 401, 403 and 429 in its own forms, which v1 documents.
	for path, methods := range paths {
		if !strings.HasPrefix(path, "/v2/") {
			continue
		}
		for _, declared := range entries(methods) {
			responses, _ := declared["responses"].(object)
			for _, status := range []string{"401", "403", "429"} {
				if responses[status] != nil {
					responses[status] = answered(object{"anyOf": []any{
						reference("Errors"), reference("ProxyError"), reference("NoPermsError"),
					}})
				}
			}
		}
	}
	return nil
}

// mendUserManagement removes the faults of the user-management file.
func mendUserManagement(d *document) error {
	paths, _ := d.root["paths"].(object)
	operation := func(method, path string) (object, object, error) {
		methods, _ := paths[path].(object)
		declared, _ := methods[method].(object)
		responses, _ := declared["responses"].(object)
		if responses == nil {
			return nil, nil, fmt.Errorf("no %s %s", method, path)
		}
		return declared, responses, nil
	}
	// What a PUT of a taken address answers is documented nowhere; 409 is one of the two
	// candidates.
	_, responses, err := operation("put", "/users/{account_id}/manage/email")
	if err != nil {
		return err
	}
	responses["409"] = answered(object{
		"type": "object", "required": []any{"key"}, "properties": object{"key": object{"type": "string"}},
	})
	// A body that cannot be read is not listed for the lifecycle calls, though disable requires
	// one.
	for _, call := range []string{"disable", "enable"} {
		_, responses, err := operation("post", "/users/{account_id}/manage/lifecycle/"+call)
		if err != nil {
			return err
		}
		responses["400"] = object{"$ref": "#/components/responses/BadRequest.Body"}
	}
	// The request of PATCH is described by the whole profile; the text says that any subset will
	// do.
	declared, _, err := operation("patch", "/users/{account_id}/manage/profile")
	if err != nil {
		return err
	}
	declared[partialMark] = true

	components, _ := d.root["components"].(object)
	named, _ := components["schemas"].(object)
	// Ids are this and nothing around it.
	if id, there := named["AccountId"].(object); there && text(id["pattern"]) != "" {
		id["pattern"] = "^" + text(id["pattern"]) + "$"
	}
	// A key with scopes is answered with a key of its own on every call (measured, not documented).
	named["Response.Forbidden.InsufficientScope"] = object{
		"type": "object", "required": []any{"key"},
		"properties": object{
			"key":     object{"enum": []any{"forbidden.insufficientScope"}},
			"context": object{"type": "object"},
		},
	}
	shared, _ := components["responses"].(object)
	for name, each := range entries(shared) {
		schema := content(each)
		branches, _ := schema["oneOf"].([]any)
		discriminator, _ := schema["discriminator"].(object)
		mapping, _ := discriminator["mapping"].(object)
		if strings.HasPrefix(name, "Forbidden") && mapping != nil {
			added := reference("Response.Forbidden.InsufficientScope")
			schema["oneOf"] = append(branches, added)
			mapping["forbidden.insufficientScope"] = added["$ref"]
		}
	}
	return nil
}

// mendProvisioning removes the faults of the user-provisioning file, which is the oldest.
func mendProvisioning(d *document) error {
	components, _ := d.root["components"].(object)
	named, _ := components["schemas"].(object)
	// The schema says operations; the prose, the example and every client say Operations.
	payload, _ := named["RequestPayloadToPatch"].(object)
	fields, _ := payload["properties"].(object)
	if operations, there := fields["operations"]; there {
		delete(fields, "operations")
		fields["Operations"] = operations
	}
	// A value of an operation is any JSON value; the schema describes the class that reads it.
	if operation, there := named["OperationForAScimPatch"].(object); there {
		fields, _ := operation["properties"].(object)
		fields["value"] = object{}
	}
	// The bodies are declared read-only as a whole, extensions included; the current version of the
	// external one is 1.1.
	if user, there := named["ScimUser"].(object); there {
		fields, _ := user["properties"].(object)
		const extension = "urn:scim:schemas:extension:atlassian-external:"
		fields[extension+"1.1"] = fields[extension+"1.0"]
	}
	return nil
}

func reference(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func answered(schema object) object {
	return object{"content": object{"application/json": object{"schema": schema}}}
}

// entries returns the values of an object that are objects themselves.
func entries(value any) map[string]object {
	all := make(map[string]object)
	fields, _ := value.(object)
	for name, each := range fields {
		if inner, isObject := each.(object); isObject {
			all[name] = inner
		}
	}
	return all
}

// walk visits all objects of a document.
func walk(value any, visit func(object)) {
	switch value := value.(type) {
	case object:
		visit(value)
		for _, each := range value {
			walk(each, visit)
		}
	case []any:
		for _, each := range value {
			walk(each, visit)
		}
	}
}
