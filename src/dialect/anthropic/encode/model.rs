//! What a model accepts, by its name: the vendor refuses a request that says too much.

/// A model's rules. Names without a version are taken for models of other vendors behind this dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    /// It can think at all (3.7 and later).
    pub(super) thinks: bool,
    /// It decides itself how much it thinks, and takes an effort (4.6 and later); else it takes a budget.
    pub(super) adaptive: bool,
    /// Thinking cannot be switched off (Fable, Mythos).
    pub(super) always_thinks: bool,
    /// It knows the effort `xhigh` (4.7 and later).
    pub(super) xhigh: bool,
    /// It takes `temperature`, `top_p` and `top_k` (up to 4.6).
    pub(super) samples: bool,
    /// It takes `temperature` and `top_p` together (before Opus 4.1 and the other 4.5 models).
    pub(super) both_samplers: bool,
    /// It takes instructions in the middle of the conversation (4.8 and later).
    pub(super) system_turns: bool,
}

impl Model {
    /// The rules for a model, by the name that the upstream gets.
    pub(super) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let known = version(&name);
        let is = |family: &str| name.contains(family);
        let since = |least: (u32, u32)| known.is_some_and(|version| version >= least);
        let always_thinks = is("fable") || is("mythos");
        let one_sampler = if is("opus") { (4, 1) } else { (4, 5) };
        let system_turns = if is("sonnet") || is("haiku") { (5, 5) } else { (4, 8) };
        Self {
            thinks: known.is_none() || since((3, 7)),
            adaptive: always_thinks || since((4, 6)),
            always_thinks,
            xhigh: always_thinks || since((4, 7)),
            samples: !(always_thinks || since((4, 7))),
            both_samplers: !since(one_sampler),
            system_turns: known.is_none() || since(system_turns),
        }
    }
}

/// Major and minor version: `claude-opus-4-8-20260528`, `anthropic.claude-opus-4-6-v1`, `claude-3-5-haiku`, `claude-opus-4`.
fn version(name: &str) -> Option<(u32, u32)> {
    let (_, rest) = name.split_once("claude")?;
    let mut words = rest.split(['-', '.', '_', '@', ':', '/', '[']).map(number).skip_while(Option::is_none);
    let major = words.next()??;
    Some((major, words.next().flatten().unwrap_or(0)))
}

/// A number of a version; a date is none.
fn number(word: &str) -> Option<u32> {
    if word.len() > 2 { None } else { word.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_out_of_every_form_of_name() {
        for (name, expected) in [
            ("claude-opus-4-8-20260528", Some((4, 8))),
            ("us.anthropic.claude-opus-4-6-v1", Some((4, 6))),
            ("anthropic.claude-sonnet-4-5-20250929-v1:0", Some((4, 5))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-3-5-haiku-20241022", Some((3, 5))),
            ("claude-3.7-sonnet", Some((3, 7))),
            ("claude-opus-5-5[1m]", Some((5, 5))),
            ("claude-opus-5[1m]", Some((5, 0))),
            ("claude-fable-5-1", Some((5, 1))),
            ("claude-opus-latest", None),
            ("glm-4.6", None),
        ] {
            assert_eq!(version(name), expected, "{name}");
        }
    }

    #[test]
    fn newer_models_take_less() {
        for (name, adaptive, samples, system_turns) in [
            ("claude-sonnet-4-5-20250929", false, true, false),
            ("claude-haiku-4-5", false, true, false),
            ("claude-opus-4-6", true, true, false),
            ("claude-opus-4-7", true, false, false),
            ("claude-opus-4-8", true, false, true),
            ("claude-sonnet-5", true, false, false),
            ("claude-opus-5-5", true, false, true),
            ("claude-fable-5", true, false, true),
            ("kimi-k2", false, true, true),
        ] {
            let model = Model::of(name);
            assert_eq!(
                (model.adaptive, model.samples, model.system_turns),
                (adaptive, samples, system_turns),
                "{name}"
            );
        }
        assert!(Model::of("claude-opus-4-20250514").both_samplers);
        assert!(!Model::of("claude-opus-4-1").both_samplers);
        assert!(Model::of("claude-sonnet-4").both_samplers);
        assert!(!Model::of("claude-sonnet-4-5").both_samplers);
        assert!(!Model::of("claude-3-5-haiku-20241022").thinks);
        assert!(Model::of("claude-fable-5").always_thinks);
    }
}
