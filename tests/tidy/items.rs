//! Reads items out of syntax trees: functions with their lines, attributes, and every path that is named.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// A function with a body.
pub struct Function {
    /// Its name.
    pub name: String,
    /// First line, from 1.
    pub line: usize,
    /// Lines from signature to closing brace.
    pub lines: usize,
    /// Its attributes, as they are written, without spaces.
    pub attributes: Vec<String>,
    /// The names of everything it calls as a function: `tokio::time::sleep`.
    pub calls: Vec<String>,
}

impl Function {
    /// True when a test runner calls it.
    pub fn is_test(&self) -> bool {
        self.attributes.iter().any(|a| a == "test" || a.ends_with("::test") || a.contains("::test("))
    }
}

/// A path that the code names, with its line: `crate::store::Db`.
pub struct Named {
    /// Segments.
    pub segments: Vec<String>,
    /// Line, from 1.
    pub line: usize,
}

/// Every function of a file, closures and nested items included in their lines.
pub fn functions(file: &syn::File) -> Vec<Function> {
    let mut found = Functions(Vec::new());
    found.visit_file(file);
    found.0
}

/// Every path that a file names, in `use` lines, code and macro arguments.
pub fn paths(file: &syn::File) -> Vec<Named> {
    let mut found = Paths(Vec::new());
    found.visit_file(file);
    found.0
}

/// The name of every macro that a file calls, with its line.
pub fn macros(file: &syn::File) -> Vec<(String, usize)> {
    struct Macros(Vec<(String, usize)>);
    impl<'a> Visit<'a> for Macros {
        fn visit_macro(&mut self, mac: &'a syn::Macro) {
            if let Some(last) = mac.path.segments.last() {
                self.0.push((last.ident.to_string(), last.ident.span().start().line));
            }
            visit::visit_macro(self, mac);
        }
    }
    let mut found = Macros(Vec::new());
    found.visit_file(file);
    found.0
}

struct Functions(Vec<Function>);

impl Functions {
    fn add(&mut self, attributes: &[syn::Attribute], signature: &syn::Signature, block: &syn::Block) {
        let start = signature.fn_token.span.start().line;
        self.0.push(Function {
            name: signature.ident.to_string(),
            line: start,
            lines: block.brace_token.span.close().end().line + 1 - start,
            attributes: attributes.iter().map(attribute_text).collect(),
            calls: calls(block),
        });
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.add(&item.attrs, &item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.add(&item.attrs, &item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.attrs, &item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

fn attribute_text(attribute: &syn::Attribute) -> String {
    let path = segments(attribute.path()).join("::");
    match &attribute.meta {
        syn::Meta::List(list) => format!("{path}({})", list.tokens.to_string().replace(' ', "")),
        _ => path,
    }
}

fn calls(block: &syn::Block) -> Vec<String> {
    struct Calls(Vec<String>);
    impl<'a> Visit<'a> for Calls {
        fn visit_expr_call(&mut self, call: &'a syn::ExprCall) {
            if let syn::Expr::Path(path) = &*call.func {
                self.0.push(segments(&path.path).join("::"));
            }
            visit::visit_expr_call(self, call);
        }
    }
    let mut found = Calls(Vec::new());
    found.visit_block(block);
    found.0
}

struct Paths(Vec<Named>);

impl Paths {
    fn add_use(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let mut here = prefix.to_vec();
        match tree {
            syn::UseTree::Path(path) => {
                here.push(path.ident.to_string());
                self.add_use(&here, &path.tree);
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.add_use(prefix, item)),
            syn::UseTree::Name(name) => {
                here.push(name.ident.to_string());
                self.0.push(Named { segments: here, line: name.ident.span().start().line });
            }
            syn::UseTree::Rename(rename) => {
                here.push(rename.ident.to_string());
                self.0.push(Named { segments: here, line: rename.ident.span().start().line });
            }
            syn::UseTree::Glob(glob) => self.0.push(Named { segments: here, line: glob.star_token.span.start().line }),
        }
    }

    /// Macro arguments are tokens, not syntax: runs of `a :: b :: c` are read as paths.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut run: Vec<String> = Vec::new();
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.flush(&mut run, line);
                        line = ident.span().start().line;
                    }
                    run.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.flush(&mut run, line);
                    self.add_tokens(group.stream());
                    colons = 0;
                }
                _ => {
                    self.flush(&mut run, line);
                    colons = 0;
                }
            }
        }
        self.flush(&mut run, line);
    }

    fn flush(&mut self, run: &mut Vec<String>, line: usize) {
        if run.len() > 1 {
            self.0.push(Named { segments: std::mem::take(run), line });
        }
        run.clear();
    }
}

impl<'a> Visit<'a> for Paths {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.add_use(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let line = path.segments.first().map_or(0, |first| first.ident.span().start().line);
        self.0.push(Named { segments: segments(path), line });
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'a syn::Macro) {
        self.add_tokens(mac.tokens.clone());
        visit::visit_macro(self, mac);
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}
