//! The messages as data, for those who read them elsewhere: the JavaScript host fills the same envelope by this table.

use super::field::{Pick, Role, Shape};
use super::read::Body;
use super::{charisma, devcontext, docproc, saga, therapybridge};
use crate::config::Service;
use crate::envelope::Kind;

/// One message of a service, as declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Whose it is.
    pub service: Service,
    /// Which it is; its name on the wire is [`Kind::name`].
    pub kind: Kind,
    /// Its fields, an object before the fields in it.
    pub fields: Vec<DescribedField>,
}

/// One field of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedField {
    /// Where it is: keys on the wire, from the frame's object, or from the argument of a Socket.IO event.
    pub path: Vec<String>,
    /// What it means. Where several fields of a message have one role, the last that is there counts.
    pub role: Role,
    /// Whether it must be there if the object it is in is there.
    pub required: bool,
    /// Its JSON type.
    pub shape: Shape,
}

/// All messages of all services, with those fields that a decision needs.
pub fn describe() -> Vec<Description> {
    let mut all = Vec::new();
    table::<charisma::Message>(Service::Charisma, &mut all);
    table::<therapybridge::Message>(Service::TherapyBridge, &mut all);
    table::<saga::Message>(Service::Saga, &mut all);
    table::<docproc::Message>(Service::DocProc, &mut all);
    table::<devcontext::Message>(Service::DevContext, &mut all);
    all
}

fn table<M: Body>(service: Service, all: &mut Vec<Description>) {
    for (kind, picks) in M::TABLE {
        let mut fields = Vec::new();
        let mut path = Vec::new();
        if service == Service::DevContext && *kind != Kind::Gateway {
            for pick in devcontext::Around::PICKS {
                fields.push(field(service, &path, pick));
            }
            if !picks.is_empty() {
                path.push("payload".into());
                let required = picks.iter().any(|pick| pick.required);
                fields.push(DescribedField {
                    path: path.clone(),
                    role: Role::Within,
                    required,
                    shape: Shape::Object,
                });
            }
        }
        collect(service, &mut path, picks, &mut fields);
        all.push(Description { service, kind: *kind, fields });
    }
}

fn collect(service: Service, path: &mut Vec<String>, picks: &[Pick], fields: &mut Vec<DescribedField>) {
    for pick in picks.iter().filter(|pick| pick.role != Role::Data) {
        fields.push(field(service, path, pick));
        path.push(wire_name(service, pick.field));
        collect(service, path, pick.within, fields);
        path.pop();
    }
}

fn field(service: Service, path: &[String], pick: &Pick) -> DescribedField {
    let mut path = path.to_vec();
    path.push(wire_name(service, pick.field));
    DescribedField { path, role: pick.role, required: pick.required, shape: pick.shape }
}

/// A field's name on the wire. Those with a role are spelled as serde spells them by rule, without exceptions.
fn wire_name(service: Service, field: &str) -> String {
    if service == Service::TherapyBridge {
        return field.into();
    }
    let mut name = String::with_capacity(field.len());
    let mut upper = false;
    for c in field.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                name.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => name.push(c),
        }
    }
    name
}

/// The JSON Schema of a payload: a Socket.IO event's argument, DevContext's `payload`, the whole object elsewhere.
#[cfg(feature = "schema")]
#[derive(Clone, Debug, PartialEq)]
pub struct NamedSchema {
    /// Whose it is.
    pub service: Service,
    /// The message; `None` for the answer to an HTTP request.
    pub kind: Option<Kind>,
    /// A reference to one of the generator's definitions.
    pub schema: schemars::Schema,
}

/// The schemas of all messages that have fields, then of all answers. The definitions are left in the generator.
#[cfg(feature = "schema")]
pub fn schemas(generator: &mut schemars::SchemaGenerator) -> Vec<NamedSchema> {
    fn messages<M: Body>(service: Service, g: &mut schemars::SchemaGenerator, all: &mut Vec<NamedSchema>) {
        all.extend(M::schemas(g).into_iter().map(|(kind, schema)| NamedSchema {
            service,
            kind: Some(kind),
            schema,
        }));
    }
    let mut all = Vec::new();
    messages::<charisma::Message>(Service::Charisma, generator, &mut all);
    messages::<therapybridge::Message>(Service::TherapyBridge, generator, &mut all);
    messages::<saga::Message>(Service::Saga, generator, &mut all);
    messages::<docproc::Message>(Service::DocProc, generator, &mut all);
    messages::<devcontext::Message>(Service::DevContext, generator, &mut all);
    let answers = [
        (Service::TherapyBridge, generator.subschema_for::<therapybridge::Login>()),
        (Service::Saga, generator.subschema_for::<saga::ServerHealth>()),
        (Service::Saga, generator.subschema_for::<saga::ServerStats>()),
        (Service::DocProc, generator.subschema_for::<docproc::ClarificationReply>()),
        (Service::DevContext, generator.subschema_for::<devcontext::Analysis>()),
    ];
    all.extend(answers.map(|(service, schema)| NamedSchema { service, kind: None, schema }));
    all
}
