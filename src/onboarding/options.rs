//! Options of the adapters: which kind knows which, and what may stand in them. An option that nothing would read is refused.

use std::collections::BTreeMap;

use actors::domain::account::{AccountKind, KindSet};

use super::{Invalid, must};

/// What an option holds.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number of minutes.
    Minutes,
    /// A name that may stand in URLs and headers: letters, digits and `-_.:`.
    Name,
    /// Names, comma-separated.
    Names,
    /// `model=deployment,…`, or the same as a JSON object of texts.
    Pairs,
}

const FLAG: Form = Form::Word(&["true", "false"]);
/// Kinds that may be relays of others.
const RELAYS: KindSet = KindSet::of(&[
    AccountKind::ClaudeConsole,
    AccountKind::Ccr,
    AccountKind::OpenAi,
    AccountKind::OpenAiResponses,
    AccountKind::GeminiApi,
]);
const ANTHROPIC_RELAYS: KindSet = KindSet::of(&[AccountKind::ClaudeConsole, AccountKind::Ccr]);
const OPENAI: KindSet = KindSet::of(&[AccountKind::OpenAi, AccountKind::OpenAiResponses]);
const AZURE: KindSet = KindSet::of(&[AccountKind::AzureOpenAi]);
const BEDROCK: KindSet = KindSet::of(&[AccountKind::Bedrock]);
const DROID: KindSet = KindSet::of(&[AccountKind::Droid]);

/// Every option, the kinds that know it, and its form (`upstreams.md` §1.3, §2).
const OPTIONS: [(&str, KindSet, Form); 20] = [
    ("auth_style", ANTHROPIC_RELAYS, Form::Word(&["auto", "x-api-key", "bearer", "both"])),
    ("pool_mode", RELAYS, FLAG),
    ("disable_auto_protection", RELAYS, FLAG),
    ("rate_limit_minutes", ANTHROPIC_RELAYS, Form::Minutes),
    ("edits_off", KindSet::ALL, Form::Names),
    ("region", BEDROCK, Form::Name),
    ("profile_prefix", BEDROCK, Form::Name),
    ("small_model_region", BEDROCK, Form::Name),
    ("accepted_betas", BEDROCK, Form::Names),
    ("project_id", KindSet::of(&[AccountKind::Gemini]), Form::Name),
    ("chatgpt_account_id", KindSet::of(&[AccountKind::Codex]), Form::Name),
    ("organization_id", DROID, Form::Name),
    (PROVIDER_OF, DROID, Form::Name),
    ("organization", OPENAI, Form::Name),
    ("project", OPENAI, Form::Name),
    ("deployment", AZURE, Form::Name),
    ("deployments", AZURE, Form::Pairs),
    ("api_version", AZURE, Form::Name),
    ("responses_api_version", AZURE, Form::Name),
    ("api_surface", AZURE, Form::Word(&["auto", "v1"])),
];

/// An option per model family, such as `api_provider.gpt`.
const PROVIDER_OF: &str = "api_provider.<family>";
/// Longest value.
const LONGEST: usize = 4_000;

/// Checks the options of an account.
///
/// # Errors
/// The first option that the kind does not know, or whose value does not fit.
pub fn check(kind: AccountKind, options: &BTreeMap<String, String>) -> Result<(), Invalid> {
    options.iter().try_for_each(|(name, value)| check_one(kind, name, value))
}

/// The names of the options that a kind knows.
pub fn known(kind: AccountKind) -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().filter(move |(_, kinds, _)| kinds.contains(kind)).map(|(name, _, _)| *name)
}

fn check_one(kind: AccountKind, name: &str, value: &str) -> Result<(), Invalid> {
    let is_it = |known: &str| known == name || (known == PROVIDER_OF && is_family(name));
    let Some((_, kinds, form)) = OPTIONS.iter().find(|(known, _, _)| is_it(known)) else {
        return Err(Invalid::new("options", format!("has no option \"{}\"", name.escape_debug())));
    };
    if !kinds.contains(kind) {
        let all: Vec<&str> = known(kind).collect();
        let text = format!("{name} is not known to accounts of type {}; they know {}", kind.as_str(), all.join(", "));
        return Err(Invalid::new("options", text));
    }
    must(
        value.len() <= LONGEST && fits(*form, value),
        "options",
        &format!("has a value for {name} that is not accepted"),
    )
}

fn is_family(name: &str) -> bool {
    name.strip_prefix("api_provider.").is_some_and(is_name)
}

fn fits(form: Form, value: &str) -> bool {
    match form {
        Form::Word(words) => words.contains(&value),
        Form::Minutes => value.parse::<u32>().is_ok(),
        Form::Name => is_name(value),
        Form::Names => value.split(',').all(|name| is_name(name.trim())),
        Form::Pairs if value.trim_start().starts_with('{') => serde_json::from_str::<BTreeMap<String, String>>(value)
            .is_ok_and(|pairs| pairs.iter().all(|(model, name)| !model.is_empty() && is_name(name))),
        Form::Pairs => value.split(',').all(|pair| {
            pair.split_once('=').is_some_and(|(model, name)| !model.trim().is_empty() && is_name(name.trim()))
        }),
    }
}

fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    (1..=200).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: AccountKind, name: &str, value: &str) -> Result<(), String> {
        let options = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        check(kind, &options).map_err(|error| error.to_string())
    }

    #[test]
    fn each_kind_has_its_options() {
        for (kind, name, value) in [
            (AccountKind::ClaudeConsole, "auth_style", "bearer"),
            (AccountKind::Bedrock, "region", "us-east-1"),
            (AccountKind::Gemini, "project_id", "bright-sea-1"),
            (AccountKind::Droid, "api_provider.gpt", "openai"),
            (AccountKind::AzureOpenAi, "deployments", "gpt-5=main, o4-mini=small"),
            (AccountKind::AzureOpenAi, "deployments", r#"{"gpt-5":"main"}"#),
            (AccountKind::OpenAi, "edits_off", "chat.include_usage, model.map"),
        ] {
            assert_eq!(one(kind, name, value), Ok(()), "{name}");
        }
    }

    #[test]
    fn an_option_of_another_kind_is_refused_with_those_that_fit() {
        let text = one(AccountKind::Codex, "region", "us-east-1").unwrap_err();
        assert_eq!(
            text,
            "options region is not known to accounts of type codex; they know edits_off, chatgpt_account_id"
        );
        assert!(one(AccountKind::Codex, "colour", "red").unwrap_err().contains("has no option \"colour\""));
        assert!(one(AccountKind::Codex, "api_provider.", "x").is_err());
    }

    #[test]
    fn values_that_could_break_a_url_or_a_header_are_refused() {
        for (kind, name, value) in [
            (AccountKind::Bedrock, "region", "us-east-1/../x"),
            (AccountKind::Bedrock, "region", ""),
            (AccountKind::AzureOpenAi, "api_version", "1&x=2"),
            (AccountKind::AzureOpenAi, "deployments", "a=b/c"),
            (AccountKind::AzureOpenAi, "deployments", r#"{"a":1}"#),
            (AccountKind::AzureOpenAi, "api_surface", "v2"),
            (AccountKind::OpenAi, "organization", "a\r\nx: y"),
            (AccountKind::Ccr, "rate_limit_minutes", "soon"),
        ] {
            assert!(one(kind, name, value).is_err(), "{name} {value}");
        }
    }
}
