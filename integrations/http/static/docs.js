// The API page: the OpenAPI description, written out.

import { el } from "/static/dom.js";

const contents = document.getElementById("contents");
const operations = document.getElementById("operations");

let schemas = {};

function resolved(schema) {
  return schema?.$ref ? schemas[schema.$ref.split("/").pop()] : schema;
}

/** A schema in words: "list of string", "string or null". */
function typeName(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeName).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (schema.type === "array") return `list of ${typeName(schema.items) || "anything"}`;
  return schema.type ?? "anything";
}

function limits(schema) {
  const said = [
    ["number", "boolean"].includes(typeof schema.default) && `default ${schema.default}`,
    schema.minimum !== undefined && `at least ${schema.minimum}`,
    schema.maximum !== undefined && `at most ${schema.maximum}`,
    schema.maxLength !== undefined && `at most ${schema.maxLength} characters`,
  ].filter(Boolean);
  return [schema.description, said.join(", ")].filter(Boolean).join("; ");
}

function table(caption, of, rows) {
  const head = el("tr", {}, ...["Name", "Type", "Meaning"].map((name) => el("th", { scope: "col" }, name)));
  const lines = rows.map(([name, type, meaning]) =>
    el("tr", {}, el("th", { scope: "row" }, el("code", {}, name)), el("td", {}, type), el("td", {}, meaning)),
  );
  const scrolled = el("div", { class: "table", tabindex: "0", role: "region", "aria-label": `${caption}, ${of}` });
  scrolled.append(el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines)));
  return [el("h3", {}, caption), scrolled];
}

function fields(caption, of, schema) {
  const shape = resolved(schema?.type === "array" ? schema.items : schema);
  if (!shape?.properties) return [];
  const required = new Set(shape.required ?? []);
  const rows = Object.entries(shape.properties).map(([name, field]) => {
    const optional = caption === "Request" && !required.has(name) && "optional";
    return [name, typeName(field), [optional, limits(field)].filter(Boolean).join("; ")];
  });
  return table(caption, of, rows);
}

/** Sections for the schemas that fields of other schemas refer to. */
function nestedTypes() {
  const inFields = Object.values(schemas).flatMap((schema) => Object.values(schema.properties ?? {}));
  const named = new Set(JSON.stringify(inFields).match(/(?<=#\/components\/schemas\/)\w+/g));
  return Object.keys(schemas)
    .filter((name) => named.has(name) && schemas[name].properties)
    .map((name) => el("section", { "aria-labelledby": name }, el("h2", { id: name }, name), ...fields("Fields", name, schemas[name])));
}

/** An example value for each required field of a request. */
function example(schema) {
  const shape = resolved(schema);
  const values = (shape.required ?? []).map((name) => {
    const field = shape.properties[name];
    return [name, field.examples?.[0] ?? (field.type === "boolean" ? true : name)];
  });
  return JSON.stringify(Object.fromEntries(values));
}

function curl(method, path, body) {
  const address = `${location.origin}${path}`;
  if (!body) return `curl ${method === "get" ? "" : `-X ${method.toUpperCase()} `}${address}`;
  return `curl ${address} -H 'Content-Type: application/json' -d '${example(body)}'`;
}

function operation(method, path, described) {
  const id = described.operationId;
  const body = described.requestBody?.content["application/json"]?.schema;
  const [success] = Object.entries(described.responses).find(([status]) => status.startsWith("2"));
  const result = described.responses[success].content?.["application/json"]?.schema;
  const parameters = described.parameters?.map((each) => [each.name, `${typeName(each.schema)}, in the ${each.in}`, each.description ?? ""]);
  contents.append(el("li", {}, el("a", { href: `#${id}` }, `${method.toUpperCase()} ${path}`)));
  return el(
    "section",
    { "aria-labelledby": id },
    el("h2", { id }, el("span", { class: "address" }, el("span", { class: "method" }, method.toUpperCase()), path)),
    ...(described.description ?? "").split("\n\n").map((text) => el("p", {}, text.replaceAll("`", ""))),
    ...(parameters ? table("Parameters", id, parameters) : []),
    ...fields("Request", id, body),
    ...fields(`Response ${success}`, id, result),
    el("h3", {}, "Example"),
    el("pre", {}, curl(method, path, body)),
  );
}

const description = await (await fetch("/openapi.json")).json();
schemas = description.components.schemas;
operations.replaceChildren(
  ...Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => operation(method, path, described)),
  ),
  ...nestedTypes(),
);
document.getElementById(location.hash.slice(1))?.scrollIntoView();
