//! claude_console
