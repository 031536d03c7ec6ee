//! The scripts, each with the parts that it shares with others before it.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $($part:literal)+;)+) => {$(
        $(#[$doc])*
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(concat!($(include_str!($part)),+)));
    )+};
}

scripts! {
    /// Takes slot, rates and budget of an account.
    RESERVE = "lua/window.lua" "lua/account.lua" "lua/reserve.lua";
    /// Gives a slot back.
    RETURN_LEASE = "lua/window.lua" "lua/account.lua" "lua/return_lease.lua";
    /// Renews slots of one account.
    RENEW_LEASES = "lua/window.lua" "lua/account.lua" "lua/renew_leases.lua";
    /// Takes slots, rates and a hold of key and owner.
    ADMIT = "lua/window.lua" "lua/user.lua" "lua/admit.lua";
    /// Ends a hold.
    SETTLE = "lua/window.lua" "lua/user.lua" "lua/settle.lua";
    /// Gives slots of key and owner back.
    RETURN_PERMIT = "lua/return_permit.lua";
    /// Renews one admission.
    RENEW_ADMISSION = "lua/window.lua" "lua/user.lua" "lua/renew_admission.lua";
    /// Binds a session.
    STICK = "lua/window.lua" "lua/stick.lua";
    /// Beats a heart.
    BEAT = "lua/window.lua" "lua/beat.lua";
    /// Leads the periodic jobs.
    LEAD = "lua/lead.lua";
    /// Stores a standing.
    SAVE_STANDING = "lua/save_standing.lua";
}
