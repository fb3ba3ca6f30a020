//! The words in which messages are declared: `records!`, `open_enum!`, `messages!`.

/// Declares records: plain serde structs, each with its name in the languages that have no modules. Beside a field
/// may stand what it means to a decision: `session_id: String = Topic`. A `String` is required, an `Option` is not.
/// The word in front is the spelling of names on the wire.
macro_rules! records {
    ($case:literal; $(
        $(#[$meta:meta])*
        pub struct $name:ident as $export:literal {
            $( $(#[$field_meta:meta])* $field:ident: $ty:ty $(= $role:ident)? ),* $(,)?
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Clone, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(rename_all = $case, remote = "Self")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = $export))]
        #[cfg_attr(feature = "uniffi", derive(uniffi::Record), uniffi(name = $export))]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "crate::messages::field::absent")]
                pub $field: $ty,
            )*
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let mut out = f.debug_struct(stringify!($name));
                $(
                    // A login's answer is a token, and a token is never shown. [rules §2.15]
                    if matches!(stringify!($field).as_bytes(), b"access_token") {
                        out.field(stringify!($field), &format_args!("(secret)"));
                    } else {
                        out.field(stringify!($field), &self.$field);
                    }
                )*
                out.finish()
            }
        }

        // serde's own reader of a struct would also take an array; a service that sends one means something else.
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $name;
                    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<$name, A::Error> {
                        $name::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    }
                }
                deserializer.deserialize_map(Fields)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $name::serialize(self, serializer)
            }
        }

        impl crate::messages::field::Field for $name {
            const SHAPE: crate::messages::Shape = crate::messages::Shape::Object;
            const PICKS: &'static [crate::messages::Pick] = &[$( crate::messages::Pick {
                field: stringify!($field),
                role: records!(@role $($role)?),
                required: <$ty as crate::messages::field::Field>::REQUIRED,
                shape: <$ty as crate::messages::field::Field>::SHAPE,
                within: <$ty as crate::messages::field::Field>::PICKS,
            } ),*];

            #[inline]
            fn fill<'a>(&'a self, envelope: &mut crate::envelope::Envelope<'a>) {
                $( records!(@role $($role)?).fill(&self.$field, envelope); )*
            }
        }
    )* };
    (@role) => { crate::messages::Role::Data };
    (@role $role:ident) => { crate::messages::Role::$role };
}

/// Declares an enum whose list may grow on the server: a value it does not know is kept as text.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident as $export:literal { $( $(#[$value_meta:meta])* $value:ident = $text:literal ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = $export))]
        #[cfg_attr(feature = "uniffi", derive(uniffi::Enum), uniffi(name = $export))]
        pub enum $name {
            $( $(#[$value_meta])* #[cfg_attr(feature = "schema", schemars(rename = $text))] $value, )*
            /// A value this SDK does not know, as sent.
            #[cfg_attr(feature = "schema", schemars(untagged))]
            Other(String),
        }

        impl $name {
            /// The value as written on the wire.
            pub fn as_str(&self) -> &str {
                match self { $( Self::$value => $text, )* Self::Other(text) => text }
            }

            fn known(text: &str) -> Option<Self> {
                Some(match text { $( $text => Self::$value, )* _ => return None })
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::known(text).unwrap_or_else(|| Self::Other(text.into()))
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                        f.write_str("a string")
                    }
                    fn visit_str<E>(self, text: &str) -> Result<$name, E> {
                        Ok($name::from(text))
                    }
                    fn visit_string<E>(self, text: String) -> Result<$name, E> {
                        Ok($name::known(&text).unwrap_or($name::Other(text)))
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl crate::messages::field::Field for $name {
            const SHAPE: crate::messages::Shape = crate::messages::Shape::Text;
            fn text(&self) -> Option<&str> {
                Some(self.as_str())
            }
            fn status(&self) -> Option<crate::envelope::Status> {
                Some(crate::envelope::Status::from_name(self.as_str()))
            }
            fn stages(&self) -> crate::envelope::Stages {
                let mut stages = crate::envelope::Stages::default();
                stages.add(crate::envelope::Stage::from_name(self.as_str()));
                stages
            }
        }
    };
}

/// Declares what a service sends: the messages with fields, then those that are only a name. Each variant has the
/// name of its [`Kind`](crate::envelope::Kind).
macro_rules! messages {
    (
        $(#[$meta:meta])*
        pub enum Message as $export:literal { $( $(#[$doc:meta])* $kind:ident($body:ident) ),* $(,)? }
        bare { $( $(#[$bare_doc:meta])* $bare:ident ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        #[cfg_attr(feature = "uniffi", derive(uniffi::Enum), uniffi(name = $export))]
        #[non_exhaustive]
        pub enum Message {
            $( $(#[$doc])* $kind($body), )*
            $( $(#[$bare_doc])* $bare, )*
            /// A message this SDK does not know.
            Unknown(crate::messages::Unknown),
        }

        impl Message {
            /// What it is.
            pub fn kind(&self) -> crate::envelope::Kind {
                match self {
                    $( Self::$kind(_) => crate::envelope::Kind::$kind, )*
                    $( Self::$bare => crate::envelope::Kind::$bare, )*
                    Self::Unknown(_) => crate::envelope::Kind::Unknown,
                }
            }

            /// Its name as sent.
            pub fn name(&self) -> &str {
                match self {
                    Self::Unknown(unknown) => &unknown.name,
                    known => known.kind().name(),
                }
            }
        }

        impl crate::messages::read::Body for Message {
            const TABLE: &'static [(crate::envelope::Kind, &'static [crate::messages::Pick])] = &[
                $( (
                    crate::envelope::Kind::$kind,
                    <$body as crate::messages::field::Field>::PICKS,
                ), )*
                $( (crate::envelope::Kind::$bare, &[]), )*
            ];

            fn bare(kind: crate::envelope::Kind) -> Option<Self> {
                match kind {
                    $( crate::envelope::Kind::$bare => Some(Self::$bare), )*
                    _ => None,
                }
            }

            fn read<'de, A: serde::de::MapAccess<'de>>(
                kind: crate::envelope::Kind,
                mut map: A,
            ) -> Result<Option<Self>, A::Error> {
                Ok(match kind {
                    $( crate::envelope::Kind::$kind => Some(Self::$kind(serde::Deserialize::deserialize(
                        serde::de::value::MapAccessDeserializer::new(map),
                    )?)), )*
                    _ => {
                        crate::messages::read::skip(&mut map)?;
                        Self::bare(kind)
                    }
                })
            }

            #[cfg(feature = "schema")]
            fn schemas(
                generator: &mut schemars::SchemaGenerator,
            ) -> Vec<(crate::envelope::Kind, schemars::Schema)> {
                vec![$( (crate::envelope::Kind::$kind, generator.subschema_for::<$body>()) ),*]
            }

            fn unknown(unknown: crate::messages::Unknown) -> Self {
                Self::Unknown(unknown)
            }

            fn fill<'a>(&'a self, envelope: &mut crate::envelope::Envelope<'a>) {
                envelope.kind = self.kind();
                envelope.name = self.name();
                match self {
                    $( Self::$kind(body) => crate::messages::field::Field::fill(body, envelope), )*
                    _ => {}
                }
            }
        }
    };
}
