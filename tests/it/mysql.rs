//! The tests that depend most on the database, once more on MySQL or MariaDB.

use crate::support::app::on_server;

#[test]
#[expect(clippy::disallowed_methods, reason = "the test's own switches, not the product's configuration")]
fn the_same_on_mysql() {
    let Some(url) = std::env::var("QUOTALANE_TEST_MYSQL_URL").ok().filter(|url| !url.is_empty()) else {
        let required = std::env::var("QUOTALANE_TEST_REQUIRE").is_ok_and(|word| word == "1");
        assert!(!required, "QUOTALANE_TEST_MYSQL_URL is not set");
        println!("not run: QUOTALANE_TEST_MYSQL_URL is not set");
        return;
    };
    on_server(&url, || {
        crate::failover::what_is_the_clients_fault_makes_one_call_and_comes_back_as_it_was();
        crate::failover::an_expired_token_is_replaced_once_and_the_request_repeated_on_the_same_account();
        crate::broken_streams::a_broken_stream_ends_with_one_error_event_and_no_second_answer();
        crate::limits::keys_that_are_missing_wrong_disabled_or_over_are_refused_with_one_answer_each();
        crate::limits::a_key_that_waits_for_its_first_request_starts_its_clock_then();
        crate::races::two_hundred_at_once_on_ten_slots_are_never_more_than_ten();
        crate::races::two_hundred_at_once_on_a_hundred_per_minute_are_a_hundred();
        crate::races::two_hundred_at_once_on_one_cent_spend_no_more_than_a_cent();
        crate::money::twenty_at_once_on_a_limit_for_ten_are_ten();
        crate::money::multipliers_change_the_charge_and_nothing_else();
        crate::routes::a_key_may_ask_about_itself();
        crate::restart::usage_that_is_still_pending_at_the_stop_is_there_after_it_and_limits_remember();
    });
}
