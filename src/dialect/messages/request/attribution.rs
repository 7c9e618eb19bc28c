//! The line of Claude Code's system prompt that speaks to Anthropic alone.
//!
//! `x-anthropic-billing-header: cc_version=…; cc_entrypoint=…; cch=…;` says who is billed for what. Parts of it change from
//! call to call, and since it stands at the very front, another provider that caches prompts by their beginnings would find
//! none of what follows in its cache. No model is meant to read it.

use crate::conversation::{Block, Content};

const BEGINNING: &str = "x-anthropic-billing-header:";

/// Takes the line out of a system prompt; for targets of other dialects.
pub fn strip_attribution(instructions: &mut Vec<Block>) {
    instructions.retain_mut(|block| {
        let Content::Text(text) = &mut block.content else { return true };
        if !text.text.starts_with(BEGINNING) {
            return true;
        }
        let rest = text.text.split_once('\n').map(|(_, rest)| rest.trim_start().to_owned());
        text.text = rest.unwrap_or_default();
        !text.text.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_goes_and_the_prompt_stays() {
        let line = "x-anthropic-billing-header: cc_version=2.1.329.5b6; cc_entrypoint=sdk-cli; cch=36ee5;";
        let prompt = "You are an agent.\n\n x-anthropic-billing-header: as was said";
        let blocks = |texts: &[&str]| texts.iter().copied().map(Block::text).collect::<Vec<_>>();
        for (said, left) in [
            (blocks(&[line, prompt]), blocks(&[prompt])),
            (blocks(&[&format!("{line}\n\n{prompt}")]), blocks(&[prompt])),
            (blocks(&[prompt]), blocks(&[prompt])),
            (blocks(&[line]), blocks(&[])),
        ] {
            let mut instructions = said;
            strip_attribution(&mut instructions);
            assert_eq!(instructions, left);
        }
    }
}
