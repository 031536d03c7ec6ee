//! Small CONNECT and SOCKS5 proxies that demand a user and a password.
