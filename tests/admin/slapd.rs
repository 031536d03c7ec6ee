//! A private OpenLDAP server with TLS and a few people; ended with its handle.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

pub const BASE: &str = "dc=example,dc=org";
pub const SERVICE: &str = "cn=service,dc=example,dc=org";
pub const SERVICE_PASSWORD: &str = "service secret";

const PROGRAM: &str = "/usr/sbin/slapd";
const STARTS: usize = 3;

/// Everyone's password is the name and ` secret`. Two people share the name `twin`, ada is in both groups, bob in one.
const PEOPLE: &str = "dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=service,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: service
userPassword: service secret

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=others,dc=example,dc=org
objectClass: organizationalUnit
ou: others

dn: uid=ada,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ada
cn: Ada Lovelace
sn: Lovelace
givenName: Ada
mail: Ada@dir.example
userPassword: ada secret

dn: uid=bob,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Builder
mail: bob@dir.example
userPassword: bob secret

dn: uid=eve,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: eve
cn: Eve
sn: Eve
mail: chief@local.example
userPassword: eve secret

dn: uid=twin,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin
cn: Twin
sn: One
userPassword: twin secret

dn: uid=twin,ou=others,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin
cn: Twin
sn: Two
userPassword: twin secret

dn: cn=ops,dc=example,dc=org
objectClass: groupOfNames
cn: ops
member: uid=ada,ou=people,dc=example,dc=org

dn: cn=watch,dc=example,dc=org
objectClass: groupOfNames
cn: watch
member: uid=ada,ou=people,dc=example,dc=org
member: uid=bob,ou=people,dc=example,dc=org
";

/// A running server.
pub struct Slapd {
    child: Child,
    pub plain: u16,
    pub tls: u16,
    dir: tempfile::TempDir,
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment whether servers must be there")]
fn required() -> bool {
    std::env::var("QUOTALANE_TEST_REQUIRE").is_ok_and(|value| value == "1")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Slapd {
    /// Starts one; `None`, with a word about it, where the program is not installed and need not be.
    pub fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            assert!(!required(), "{PROGRAM} is missing: run scripts/install-servers slapd");
            eprintln!("not run: {PROGRAM} is missing");
            return None;
        }
        (0..STARTS).find_map(|_| Self::try_start()).or_else(|| panic!("slapd does not start"))
    }

    /// `None` when another program was faster with the port.
    fn try_start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        certificates(dir.path());
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::create_dir(at("data")).unwrap();
        std::fs::write(at("people.ldif"), PEOPLE).unwrap();
        std::fs::write(at("slapd.conf"), configuration(&at)).unwrap();
        let files = ["-q", "-f", &at("slapd.conf"), "-l", &at("people.ldif")];
        let loaded = Command::new("/usr/sbin/slapadd").args(files).status().unwrap();
        assert!(loaded.success(), "slapadd failed");
        let (plain, tls) = (free_port(), free_port());
        let urls = format!("ldap://127.0.0.1:{plain}/ ldaps://127.0.0.1:{tls}/");
        let child = Command::new(PROGRAM)
            .args(["-d", "0", "-h", &urls, "-f", &at("slapd.conf")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child, plain, tls, dir };
        server.is_up().then_some(server)
    }

    #[expect(clippy::disallowed_methods, reason = "another process says by its ports only that it is up")]
    fn is_up(&mut self) -> bool {
        for _ in 0..1_000 {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if [self.plain, self.tls].iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// The authority of its certificate, whose name is `directory.test`.
    pub fn authority(&self) -> String {
        self.dir.path().join("ca.pem").display().to_string()
    }

    /// Stops answering, with its connections open.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Answers again.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(at: &dyn Fn(&str) -> String) -> String {
    let schema = ["core", "cosine", "inetorgperson"].map(|name| format!("include /etc/ldap/schema/{name}.schema\n"));
    format!(
        "{}pidfile {}\nargsfile {}\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
         TLSCertificateFile {}\nTLSCertificateKeyFile {}\n\
         database mdb\nmaxsize 16777216\nsuffix \"{BASE}\"\ndirectory {}\n\
         access to attrs=userPassword by anonymous auth by * none\n\
         access to * by dn.exact=\"{SERVICE}\" read by * none\n",
        schema.concat(),
        at("slapd.pid"),
        at("slapd.args"),
        at("server.pem"),
        at("server.key"),
        at("data"),
    )
}

fn certificates(dir: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&key).unwrap();
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["directory.test".to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    std::fs::write(dir.join("ca.pem"), certificate.pem()).unwrap();
    std::fs::write(dir.join("server.pem"), server.pem()).unwrap();
    std::fs::write(dir.join("server.key"), own.serialize_pem()).unwrap();
}
