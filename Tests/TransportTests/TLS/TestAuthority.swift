import OmniwayTesting
import OmniwayTransport

/// A root, an authority under it and certificates of that, made by the openssl program as an operator would.
///
/// In its folder: `root.pem`, `authority.pem`; for each of `good`, `revoked` and `orphan` a `.pem` with the chain and a
/// `.key`; the lists `root.crl`, `authority.crl` and `lost.crl`. The authority of `orphan` was revoked by the root.
struct TestAuthority {
    let folder: TemporaryFolder

    init() async throws {
        folder = try TemporaryFolder()
        try folder.write("openssl.cnf", Self.configuration)
        let program = try await TestProgram(["sh", "-c", "cd \(folder.path) && \(Self.script)"]) {
            $0 == "made" || $0.contains("failed")
        }
        let lines = await program.lines
        await program.stop()
        guard lines.last == "made" else { throw Failure(lines: lines) }
    }

    func file(_ name: String) -> String { folder.file(name) }

    func identity(_ name: String) -> TLSIdentity { .files(certificate: file("\(name).pem"), key: file("\(name).key")) }

    struct Failure: Error { let lines: [String] }

    private static let configuration = """
        [req]
        distinguished_name = name
        [name]
        [authority]
        basicConstraints = critical,CA:TRUE
        keyUsage = critical,keyCertSign,cRLSign
        subjectKeyIdentifier = hash
        [leaf]
        basicConstraints = CA:FALSE
        subjectAltName = DNS:localhost,IP:127.0.0.1
        [ca_root]
        database = root.txt
        certificate = root.pem
        private_key = root.key
        default_md = sha256
        default_crl_days = 30
        [ca_authority]
        database = authority.txt
        certificate = authority-alone.pem
        private_key = authority.key
        default_md = sha256
        default_crl_days = 30
        [ca_lost]
        database = lost.txt
        certificate = lost.pem
        private_key = lost.key
        default_md = sha256
        default_crl_days = 30
        """

    private static let script = """
        set -e; trap 'echo failed' EXIT
        key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $1.key; }
        sign() { # name, subject, issuer, section
            key $1
            openssl req -new -config openssl.cnf -key $1.key -subj "/CN=$2" -out $1.csr
            openssl x509 -req -in $1.csr -CA $3.pem -CAkey $4.key -days 30 -set_serial 0x$(openssl rand -hex 8) \
                -extfile openssl.cnf -extensions $5 -out $1-alone.pem
        }
        exec 3>&1 >log 2>&1
        key root
        openssl req -x509 -config openssl.cnf -extensions authority -key root.key -subj '/CN=Test Root' -days 30 \
            -out root.pem
        sign authority 'Test Authority' root root authority
        sign lost 'Lost Authority' root root authority
        cp authority-alone.pem authority.pem; cp lost-alone.pem lost.pem
        for name in good revoked; do sign $name $name authority authority leaf; done
        sign orphan orphan lost lost leaf
        for name in good revoked; do cat $name-alone.pem authority.pem >$name.pem; done
        cat orphan-alone.pem lost.pem >orphan.pem
        : >root.txt; : >authority.txt; : >lost.txt
        openssl ca -config openssl.cnf -name ca_root -revoke lost.pem
        openssl ca -config openssl.cnf -name ca_root -gencrl -out root.crl
        openssl ca -config openssl.cnf -name ca_authority -revoke revoked-alone.pem
        openssl ca -config openssl.cnf -name ca_authority -gencrl -out authority.crl
        openssl ca -config openssl.cnf -name ca_lost -gencrl -out lost.crl
        trap - EXIT; echo made >&3
        """
}
