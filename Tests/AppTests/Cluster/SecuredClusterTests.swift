import ClusterSupport
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// An etcd and a NATS that ask who one is, and say who they are, as the command line answers them.
@Suite(.timeLimit(.minutes(2))) struct SecuredClusterTests {
    @Test func `servers and the status command log in by files, and trust an authority of their own`() async throws {
        let folder = try TemporaryFolder()
        let identity = try TLSIdentity.selfSigned("127.0.0.1", "localhost")
        let seed = NATSKey.seedText((0..<32).map { UInt8($0 * 5) })
        let files = [
            "cert.pem": try identity.certificatePEM, "key.pem": try identity.keyPEM, "password": "word\n",
            "seed": seed + "\n",
        ]
        for (name, text) in files { try folder.write(name, text) }
        let etcd = try await EtcdServer(.secret(certificate: folder.file("cert.pem"), key: folder.file("key.pem")))
        for words in [
            "user add root:secret", "role add app", "role grant-permission app readwrite pitaya/ --prefix=true",
            "user add ann:word", "user grant-role ann app", "auth enable",
        ] {
            try await etcd.control(["--cacert", folder.file("cert.pem")] + words.split(separator: " ").map(String.init))
        }
        let nats = try await NATSProgram(
            """
            authorization { users: [ { nkey: \(try NATSKey(seed: seed).publicText) } ] }
            tls { cert_file: "FOLDER/cert.pem", key_file: "FOLDER/key.pem" }
            """, files: files)
        let places = "--etcd \(etcd.endpoints[0]) --nats tls://127.0.0.1:\(nats.port)"
        let proofs =
            "--etcd-user ann --etcd-password-file \(folder.file("password")) "
            + "--nats-nkey-file \(folder.file("seed")) --cluster-ca \(folder.file("cert.pem"))"
        let server = try await RunningServer.start(
            "--cluster --type room --id room-1 --frontend false \(places) \(proofs)", until: "cluster joined")
        let status = try await RunningServer.refusal("cluster status \(places) \(proofs)", product: "omniway")
        let row = status.dropFirst().first?.split(separator: " ").map(String.init) ?? []
        #expect(row.prefix(2) == ["room", "room-1"] && row.suffix(3) == [Version.current, "0", "0"], "\(status)")
        let stranger = try await RunningServer.refusal("cluster status \(places)", product: "omniway")
        #expect(stranger.last == "code 1" && stranger.contains { $0.contains("certificate") }, "\(stranger)")
        await server.program.stop()
        await nats.stop()
        await etcd.stop()
    }
}
