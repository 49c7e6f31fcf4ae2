//! What an entry of the table of endpoints becomes: a type, a variant of `Call`, a row.
//!
//! `/// summary` `Name { parameters }: METHOD "path", access, Request => status content Response, [errors];`

/// Declares the endpoints.
macro_rules! endpoints {
    ($(
        $(#[doc = $summary:literal])+
        $name:ident { $($parameter:ident),* }: $method:ident $path:literal, $access:ident,
            $request:ty => $status:literal $content:ident $response:ty, [$($error:ident),*];
    )+) => {
        $(
            $(#[doc = $summary])+
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $name {
                $(
                    /// This segment of the path, decoded.
                    pub $parameter: String,
                )*
            }

            impl Endpoint for $name {
                type Request = $request;
                type Response = $response;
                const ROW: Row = Row {
                    name: stringify!($name),
                    summary: &[$($summary),+],
                    method: Method::$method,
                    path: $path,
                    access: Access::$access,
                    status: $status,
                    content: Content::$content,
                    errors: &[$(ErrorCode::$error),*],
                    call: |parameters| {
                        let [$($parameter),*] = <[String; _]>::try_from(parameters).ok()?;
                        Some(Call::$name($name { $($parameter),* }))
                    },
                    #[cfg(test)]
                    schemas: |generator| {
                        (generator.subschema_for::<$request>(), generator.subschema_for::<$response>())
                    },
                };

                fn parameters(&self) -> Vec<&str> {
                    vec![$(self.$parameter.as_str()),*]
                }
            }
        )+

        /// A call of any endpoint, as a request names it.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Call {
            $(
                $(#[doc = $summary])+
                $name($name),
            )+
        }

        impl Call {
            /// What opens the endpoint.
            pub const fn access(&self) -> Access {
                match self {
                    $(Self::$name(_) => Access::$access,)+
                }
            }
        }

        /// All endpoints.
        pub const ENDPOINTS: &[Row] = &[$(<$name as Endpoint>::ROW),+];
    };
}

pub(super) use endpoints;
