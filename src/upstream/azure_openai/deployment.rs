//! Which deployment serves a model: by the account's map, else its default, else the model's own name.

use std::collections::BTreeMap;

use actors::domain::account::AccountSpec;

/// The account option with one deployment for every model.
const DEPLOYMENT: &str = "deployment";

/// The account option with a deployment per model: a JSON object, or `model=deployment,…`.
const DEPLOYMENTS: &str = "deployments";

/// Written before a model by clients that name the vendor with it.
const PREFIX: &str = "azure/";

/// The name of the deployment; `None` when nothing names one.
pub(super) fn of(model: &str, account: &AccountSpec) -> Option<String> {
    let requested = bare(model);
    let mapped = upstream_model(model, account);
    let option = |name: &str| account.options.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let deployments = option(DEPLOYMENTS).map(parse).unwrap_or_default();
    if let Some(deployment) = deployments.get(requested).or_else(|| deployments.get(mapped)) {
        return Some(deployment.clone());
    }
    // A client of Azure's own SDK names the deployment itself.
    let is_deployment = mapped != requested || deployments.values().any(|deployment| deployment == requested);
    let name = if is_deployment { mapped } else { option(DEPLOYMENT).unwrap_or(requested) };
    (!name.is_empty()).then(|| name.to_owned())
}

/// The account's name for a model, without the vendor's prefix.
pub(super) fn upstream_model<'a>(model: &'a str, account: &'a AccountSpec) -> &'a str {
    let mapped = account.upstream_model(model);
    bare(if mapped == model { account.upstream_model(bare(model)) } else { mapped })
}

fn bare(model: &str) -> &str {
    model.strip_prefix(PREFIX).unwrap_or(model)
}

fn parse(text: &str) -> BTreeMap<String, String> {
    serde_json::from_str(text).unwrap_or_else(|_| {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(model, deployment)| (model.trim().to_owned(), deployment.trim().to_owned())).collect()
    })
}

#[cfg(test)]
mod tests {
    use actors::domain::account::AccountKind;

    use super::*;
    use crate::upstream::openai_api::sample::account;

    #[test]
    fn the_map_decides_then_the_default_then_the_name() {
        let json = r#"{"gpt-5":"five","gpt-4.1":"four"}"#;
        for (options, model, expected) in [
            (vec![], "gpt-5", Some("gpt-5")),
            (vec![], "azure/gpt-5", Some("gpt-5")),
            (vec![], "", None),
            (vec![("deployment", "main")], "gpt-5", Some("main")),
            (vec![("deployments", json)], "gpt-5", Some("five")),
            (vec![("deployments", json)], "azure/gpt-4.1", Some("four")),
            (vec![("deployments", json), ("deployment", "main")], "o3", Some("main")),
            (vec![("deployments", json), ("deployment", "main")], "four", Some("four")),
            (vec![("deployments", "gpt-5=five, gpt-4.1 = four")], "gpt-4.1", Some("four")),
            (vec![("deployments", " ")], "gpt-5", Some("gpt-5")),
        ] {
            let account = account(AccountKind::AzureOpenAi, "", &options);
            assert_eq!(of(model, &account).as_deref(), expected, "{options:?} {model}");
        }
    }

    #[test]
    fn a_mapped_model_names_its_deployment() {
        let mut account = account(AccountKind::AzureOpenAi, "", &[("deployment", "main"), ("deployments", "five=5")]);
        account.model_map.insert("gpt-5".to_owned(), "five".to_owned());
        account.model_map.insert("o3".to_owned(), "third".to_owned());
        assert_eq!(of("gpt-5", &account).as_deref(), Some("5"));
        assert_eq!(of("azure/gpt-5", &account).as_deref(), Some("5"));
        assert_eq!(of("o3", &account).as_deref(), Some("third"));
        assert_eq!(of("o4", &account).as_deref(), Some("main"));
    }
}
