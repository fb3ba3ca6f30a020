//! A writer for the small JSON texts that the core sends. Reading JSON is the edge's work.

use alloc::string::String;

/// Appends `text` as a JSON string.
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                out.push_str("\\u00");
                crate::text::hex(out, c as u8);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Writes one JSON object, field by field.
#[derive(Debug)]
#[must_use = "an object is not complete before its `end`"]
pub struct Object<'a>(&'a mut String);

impl<'a> Object<'a> {
    /// Begins an object at the end of a text.
    pub fn new(out: &'a mut String) -> Self {
        out.push('{');
        Self(out)
    }

    fn key(&mut self, name: &str) -> &mut String {
        separate(self.0);
        string(self.0, name);
        self.0.push(':');
        self.0
    }

    /// A text.
    pub fn text(mut self, name: &str, value: &str) -> Self {
        string(self.key(name), value);
        self
    }

    /// A text, if there is one.
    pub fn text_if(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// A value that is JSON already: a number, a literal, or text made by this module.
    pub fn raw(mut self, name: &str, json: &str) -> Self {
        self.key(name).push_str(json);
        self
    }

    /// A whole number.
    pub fn number(mut self, name: &str, value: u64) -> Self {
        crate::text::number(self.key(name), value, 1);
        self
    }

    /// A whole number, if there is one.
    pub fn number_if(self, name: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(name, value),
            None => self,
        }
    }

    /// `true` or `false`.
    pub fn flag(self, name: &str, value: bool) -> Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// A share from 0 to 1, if there is one, with six decimals. The code that writes any number is larger than this
    /// whole module.
    pub fn share_if(mut self, name: &str, value: Option<f64>) -> Self {
        if let Some(value) = value.filter(|v| v.is_finite()) {
            let millionths = (value.clamp(0.0, 1.0) * 1e6 + 0.5) as u64;
            let out = self.key(name);
            crate::text::number(out, millionths / 1_000_000, 1);
            out.push('.');
            crate::text::number(out, millionths % 1_000_000, 6);
        }
        self
    }

    /// An object.
    pub fn object(mut self, name: &str, fill: impl FnOnce(Object<'_>) -> Object<'_>) -> Self {
        fill(Object::new(self.key(name))).end();
        self
    }

    /// A list.
    pub fn list<T>(
        mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(&mut String, T),
    ) -> Self {
        list_into(self.key(name), items, write);
        self
    }

    /// Ends the object.
    pub fn end(self) {
        self.0.push('}');
    }
}

/// Begins the next field or item. No value ends in an opening bracket: what does has nothing in it yet.
fn separate(out: &mut String) {
    if !matches!(out.as_bytes().last(), Some(b'{' | b'[')) {
        out.push(',');
    }
}

/// Writes one JSON object into a new text.
pub fn object(fill: impl FnOnce(Object<'_>) -> Object<'_>) -> String {
    let mut out = String::new();
    object_into(&mut out, fill);
    out
}

/// Appends one JSON object to a text.
pub fn object_into(out: &mut String, fill: impl FnOnce(Object<'_>) -> Object<'_>) {
    fill(Object::new(out)).end();
}

/// Appends one JSON array to a text, item by item.
pub fn list_into<T>(out: &mut String, items: impl IntoIterator<Item = T>, write: impl Fn(&mut String, T)) {
    out.push('[');
    for item in items {
        separate(out);
        write(out, item);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let json =
            object(|o| o.text("a\"", "x\\\n\u{1}é").number("n", 7).object("o", |o| o).text_if("no", None));
        assert_eq!(json, r#"{"a\"":"x\\\n\u0001é","n":7,"o":{}}"#);
    }
}
