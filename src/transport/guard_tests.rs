//! Tests of the SSRF rules: every spelling of an address that must not be called.

use super::*;

fn strict() -> EgressRules {
    EgressRules::new(&[], &[]).unwrap()
}

fn with(cidrs: &[&str], hosts: &[&str]) -> EgressRules {
    let own = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    EgressRules::new(&own(cidrs), &own(hosts)).unwrap()
}

#[test]
fn no_spelling_of_a_private_address_passes() {
    let spellings = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "127.000.000.001",
        "0127.0.0.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f.1",
        "0x7f000001",
        "0X7F000001",
        "2130706433",
        "017700000001",
        "127.0.0.1.",
        "127.0.0.0x1",
        "127.0.0.01",
        "0",
        "0.0.0.0",
        "0x0",
        "00",
        "1.0x",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "foo.localhost",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "192.168.257",
        "3232235777",
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "0251.0376.0251.0376",
        "169.254.43518",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:169.254.169.254]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[2002:7f00:1::]",
        "[2001:db8::1]",
        "１２７.０.０.１",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "ｌｏｃａｌｈｏｓｔ",
        "user@127.0.0.1",
        "api.anthropic.com@127.0.0.1",
        "127.0.0.1#api.anthropic.com",
        "%6c%6fcalhost",
        "127.0.0.1%2f",
        "[::1%25lo]",
        "1.2.3.4.5",
        "1.2.3.256",
        "example.com\t@127.0.0.1",
    ];
    assert!(spellings.len() >= 40);
    for scheme in ["https", "http"] {
        for host in spellings {
            let url = format!("{scheme}://{host}/v1/messages");
            assert!(strict().check_url(&url).is_err(), "{url}");
        }
    }
}

#[test]
fn public_hosts_pass_with_tls_only() {
    for host in ["api.anthropic.com", "api.anthropic.com:8443", "8.8.8.8", "[2606:4700::1111]:443", "bücher.example"] {
        assert_eq!(strict().check_url(&format!("https://{host}/v1")), Ok(()), "{host}");
        assert_eq!(strict().check_url(&format!("http://{host}/v1")), Err(UnsafeUrl::Plaintext), "{host}");
    }
}

#[test]
fn exceptions_open_what_they_name_and_nothing_else() {
    let rules = with(&["127.0.0.0/8"], &["relay.example:8080", "plain.example"]);
    assert_eq!(rules.check_url("http://127.0.0.1:9000/"), Ok(()));
    assert_eq!(rules.check_url("https://localhost/"), Ok(()));
    assert_eq!(rules.check_url("http://[::ffff:127.0.0.1]/"), Ok(()));
    assert!(rules.check_url("http://10.0.0.1/").is_err());
    assert!(rules.check_url("http://127.1/").is_err());
    assert!(rules.check_url("https://[::1]/").is_err());
    assert_eq!(rules.check_url("http://plain.example:1/"), Ok(()));
    let target = |url: &str| Target::parse(url).unwrap();
    let public = "9.9.9.9".parse().unwrap();
    let allowed = rules.allowed();
    assert_eq!(allowed.check_resolved(&target("http://relay.example:8080/"), public), Ok(()));
    assert_eq!(allowed.check_resolved(&target("http://relay.example/"), public), Err(UnsafeUrl::Plaintext));
    assert_eq!(allowed.check_resolved(&target("http://other.example/"), public), Err(UnsafeUrl::Plaintext));
    assert_eq!(allowed.check_resolved(&target("http://other.example/"), "127.0.0.1".parse().unwrap()), Ok(()));
    assert!(allowed.check_resolved(&target("https://plain.example/"), "10.0.0.1".parse().unwrap()).is_err());
}

#[test]
fn behind_a_resolving_proxy_private_literals_are_still_refused() {
    let rules = strict();
    let allowed = rules.allowed();
    let check = |url: &str| allowed.check_unresolved(&Target::parse(url).unwrap());
    assert_eq!(check("https://api.anthropic.com/"), Ok(()));
    assert_eq!(check("http://api.anthropic.com/"), Err(UnsafeUrl::Plaintext));
    assert!(check("https://10.0.0.1/").is_err());
    assert!(check("https://localhost/").is_err());
}

#[test]
fn proxies_obey_the_rules_too() {
    assert_eq!(strict().check_proxy("proxy.example", 3128), Ok(()));
    assert_eq!(strict().check_proxy("proxy.example", 0), Err(UnsafeUrl::Port));
    assert!(strict().check_proxy("127.0.0.1", 3128).is_err());
    assert!(strict().check_proxy("0x7f.1", 3128).is_err());
    assert_eq!(with(&["127.0.0.1/32"], &[]).check_proxy("127.0.0.1", 3128), Ok(()));
}

#[test]
fn rules_are_replaced_while_running() {
    let rules = strict();
    assert!(rules.check_url("https://10.1.2.3/").is_err());
    rules.replace(&["10.0.0.0/8".into()], &[]).unwrap();
    assert_eq!(rules.check_url("https://10.1.2.3/"), Ok(()));
    assert_eq!(rules.replace(&["nonsense".into()], &[]), Err(InvalidRule::Cidr("nonsense".into())));
    assert_eq!(rules.check_url("https://10.1.2.3/"), Ok(()), "a bad list changes nothing");
    assert!(matches!(rules.replace(&[], &["a/b".into()]), Err(InvalidRule::Host(_))));
}
