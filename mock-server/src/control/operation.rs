//! The one list of what the control API can be asked: routes, hints for wrong methods and the description all come from
//! it.

use std::fmt::Write;

use axum::Router;
use axum::http::Method;
use axum::routing::MethodRouter;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::world::World;

type Maker = fn(&mut SchemaGenerator) -> Schema;

/// What an operation answers.
enum Answer {
    Json(Maker),
    /// Of this media type.
    Text(&'static str),
}

/// One method of one address.
pub(crate) struct Operation {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    route: fn() -> MethodRouter<World>,
    query: Option<Maker>,
    body: Option<Maker>,
    answer: Answer,
}

impl Operation {
    /// One that answers JSON of this type.
    pub(super) fn new<T: JsonSchema>(
        method: &'static str,
        path: &'static str,
        summary: &'static str,
        route: fn() -> MethodRouter<World>,
    ) -> Self {
        let answer = Answer::Json(SchemaGenerator::subschema_for::<T>);
        Self { method, path, summary, route, query: None, body: None, answer }
    }

    /// It takes a JSON body of this type.
    pub(super) fn with<T: JsonSchema>(self) -> Self {
        Self { body: Some(SchemaGenerator::subschema_for::<T>), ..self }
    }

    /// It takes a query with the fields of this type.
    pub(super) fn asking<T: JsonSchema>(self) -> Self {
        Self { query: Some(T::json_schema), ..self }
    }

    /// It answers text of this media type.
    pub(super) fn in_text(self, kind: &'static str) -> Self {
        Self { answer: Answer::Text(kind), ..self }
    }

    fn describe(&self, schemas: &mut SchemaGenerator) -> Value {
        let id = format!("{} {}", self.method, self.path).replace(['/', '{', '}', '-', '.'], " ");
        let words = id.split_whitespace().collect::<Vec<_>>().join("_");
        let mut parameters: Vec<_> = self
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "integer"}}))
            .collect();
        if let Some(query) = self.query {
            parameters.extend(fields(&query(schemas)));
        }
        let content = match self.answer {
            Answer::Json(schema) => json!({"application/json": {"schema": schema(schemas)}}),
            Answer::Text(kind) => json!({kind: {"schema": {"type": "string"}}}),
        };
        let mut operation = json!({
            "operationId": words,
            "summary": self.summary,
            "parameters": parameters,
            "responses": {
                "200": {"description": "done", "content": content},
                "default": {"$ref": "#/components/responses/error"},
            },
        });
        if let Some(body) = self.body {
            let content = json!({"application/json": {"schema": body(schemas)}});
            operation["requestBody"] = json!({"required": true, "content": content});
        }
        operation
    }
}

/// The parameters of a query: the fields of an object.
fn fields(schema: &Schema) -> Vec<Value> {
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|fields| fields.remove("description"));
        let mut parameter = json!({"name": name, "in": "query", "schema": schema});
        parameter["required"] = required.contains(&name.into()).into();
        parameter["description"] = description.unwrap_or_default();
        parameter
    };
    properties.into_iter().map(parameter).collect()
}

/// The routes, relative to `/_mock`, each with a slash at its end, too.
pub(super) fn routes(operations: &[Operation]) -> Router<World> {
    operations.iter().fold(Router::new(), |router, Operation { path, route, .. }| {
        router.route(path, route()).route(&format!("{path}/"), route())
    })
}

/// Whether a path is the one of an operation.
fn is_at(pattern: &str, path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(given)) if part == given || part.starts_with('{') => {}
            _ => return false,
        }
    }
}

/// What is wrong with the names in a query, if something is: none is passed over in silence.
pub(super) fn odd(operations: &[Operation], method: &Method, path: &str, query: &str) -> Option<String> {
    let one = operations.iter().find(|one| one.method == method.as_str() && is_at(one.path, path))?;
    let mut schemas = SchemaSettings::draft2020_12().into_generator();
    let known: Vec<_> = one.query.iter().flat_map(|query| fields(&query(&mut schemas))).collect();
    let known: Vec<_> = known.iter().filter_map(|field| field["name"].as_str()).collect();
    let given: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
    let (odd, _) = given.iter().find(|(name, _)| !known.contains(&name.as_str()))?;
    let takes = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
    Some(format!("in the query, unknown field `{odd}`: {method} /_mock{path} takes {takes} there"))
}

/// Which methods an address relative to `/_mock` has, in words.
pub(super) fn methods(operations: &[Operation], path: &str) -> Option<String> {
    let found: Vec<_> = operations.iter().filter(|one| is_at(one.path, path)).map(|one| one.method).collect();
    let (last, others) = found.split_last()?;
    Some(if others.is_empty() { (*last).to_owned() } else { format!("{} or {last}", others.join(", ")) })
}

/// All addresses relative to `/_mock`, in words.
pub(super) fn addresses(operations: &[Operation]) -> String {
    let mut names: Vec<_> = operations.iter().map(|one| one.path.trim_start_matches('/')).collect();
    names.retain(|name| !name.contains('{'));
    names.dedup();
    names.join(", ")
}

/// All of it in lines, for people who reach it at this base URL.
pub(super) fn overview(operations: &[Operation], base: &str) -> String {
    let mut text =
        "The control API. It takes and answers JSON; /_mock/openapi.json describes all fields.\n\n"
            .to_owned();
    for Operation { method, path, summary, .. } in operations {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{method:6} {:22} {summary}", format!("/_mock{path}"));
    }
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\nFor example:\n\
         curl {base}/_mock/drop -d '{{\"how\":\"rst\"}}'\n\
         curl {base}/_mock/faults -d '{{\"action\":{{\"do\":\"refuse\",\"status\":503}},\"times\":2}}'\n\
         curl {base}/_mock/emit -d '{{\"service\":\"charisma\",\"topic\":\"session_1\",\"data\":{{\"status\":\"complete\"}}}}'\n\
         curl '{base}/_mock/log?service=charisma&direction=in'\n"
    );
    text
}

/// The description of all of it.
pub(super) fn document(operations: &[Operation]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for operation in operations {
        let path = paths.entry(format!("/_mock{}", operation.path)).or_insert_with(|| json!({}));
        path[operation.method.to_lowercase()] = operation.describe(&mut schemas);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "The mock server's control API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Makes a server of five realtime services do and tell what a test needs.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "responses": {"error": {
                "description": "what was wrong, and what to change",
                "content": {"application/json": {"schema": {
                    "type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}}},
            }},
        },
    })
}
