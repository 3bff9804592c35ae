import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// What goes through a tunnel of real processes and comes out, or ends, as it would without.
@Suite(.timeLimit(.minutes(3))) struct TunnelTransferTests {
    /// A listening client, the client of the target, and a node for each, or one for both.
    private struct Scene {
        let nodes: [RunningTunnel]
        let listen: UInt16
        /// Where the target is to be.
        let hidden: UInt16
        private let clients: [TestProgram]
        private let store: TemporaryFolder

        init(carrier: String = "tls", nodes count: Int = 1, _ flags: String = "") async throws {
            store = try TemporaryFolder()
            try store.write("key", "the secret of this cluster\n")
            var nodes: [RunningTunnel] = []
            for _ in 0..<count {
                let port = try await RunningTunnel.freePort()
                let cluster = "--advertise 127.0.0.1:\(port) --cluster-key-file \(store.file("key"))"
                let registry = "--registry \(store.file("registry.db"))"
                nodes.append(try await RunningTunnel.start("\(registry) \(cluster)", carrier: carrier, at: port))
            }
            self.nodes = nodes
            var clients: [TestProgram] = []
            for (name, node) in [("target", nodes[0]), ("listener", nodes[count - 1])] {
                clients.append(
                    try await nodes[0].client(
                        "client --identity \(store.file(name)) --node \(carrier)://\(node.address)",
                        until: "AuthCode "))
            }
            self.clients = clients
            let target = try #require(try TunnelIdentityFile(store.file("target")).load())
            try store.write("code", target.authCode)
            (listen, hidden) = (try await RunningTunnel.freePort(), try await RunningTunnel.freePort())
            let rule = "tcp://127.0.0.1:\(listen) tcp://127.0.0.1:\(hidden) --of \(target.tunnel)"
            let added = try await nodes[0].ask(
                "tunnel add \(rule) --identity \(store.file("listener")) --code-file \(store.file("code")) \(flags)")
            try #require(added.last == "code 0", "\(added)")
            let place = "listens   tcp://127.0.0.1:\(listen)"
            #expect(await clients[1].wait { $0.hasPrefix(place) })
        }

        /// Streams in shared connections, as each node has counted them.
        func sharedStreams() async throws -> [String] {
            var counts: [String] = []
            for node in nodes {
                let meter = "curl -sS http://\(node.admin)/metrics | grep '^omniway_tunnel_streams_total '"
                counts.append(try await RunningGateway.script(meter)[0])
            }
            return counts
        }

        /// A program in Python that has the port of visitors, `listen`, and a server where the target is to be.
        func python(_ program: String, within limit: Duration = .seconds(60)) async throws -> [String] {
            try await RunningGateway.script(
                """
                python3 - <<'END' 2>&1
                import hashlib, random, socket, struct, threading, time
                listen = ("127.0.0.1", \(listen))
                server = socket.create_server(("127.0.0.1", \(hidden)))
                \(program)
                END
                """, within: limit)
        }

        /// So much goes each way at once, and each side says when it has said all.
        func exchange(_ mebibytes: Int) async throws -> [String] {
            try await python(
                """
                def send(s, seed, sums):
                    chances, sum = random.Random(seed), hashlib.sha256()
                    for _ in range(\(mebibytes)):
                        piece = chances.randbytes(1 << 20)
                        sum.update(piece)
                        s.sendall(piece)
                    s.shutdown(socket.SHUT_WR)
                    sums["sent", seed] = sum.hexdigest()
                def read(s, seed, sums):
                    sum, count = hashlib.sha256(), 0
                    while piece := s.recv(1 << 16):
                        sum.update(piece)
                        count += len(piece)
                    sums["read", seed] = sum.hexdigest()
                    print(count >> 20, "MiB")
                sums = {}
                visitor = socket.create_connection(listen)
                visitor.sendall(b"x")
                target = server.accept()[0]
                assert target.recv(1) == b"x"
                work = [(send, visitor, 1), (read, target, 1), (send, target, 2), (read, visitor, 2)]
                threads = [threading.Thread(target=body, args=(s, seed, sums)) for body, s, seed in work]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
                print(all(sums["sent", seed] == sums["read", seed] for seed in (1, 2)))
                """)
        }

        /// Ends of pipes that a visitor takes of each node: what the kernel joins goes through some.
        func pipesOfOne() async throws -> String {
            try await python(
                """
                import os
                def pipes(pid):
                    folder = f"/proc/{pid}/fd/"
                    return sum("pipe:" in os.readlink(folder + name) for name in os.listdir(folder))
                nodes = \(nodes.map(\.program.pid))
                before = [pipes(pid) for pid in nodes]
                visitor = socket.create_connection(listen)
                visitor.sendall(b"x")
                target = server.accept()[0]
                target.sendall(target.recv(1))
                visitor.recv(1)
                print([pipes(pid) - count for pid, count in zip(nodes, before)])
                """)[0]
        }

        func stop() async { for program in clients + nodes.map(\.program) { await program.stop(signal: 9) } }
    }

    @Test func `much goes both ways at once over TLS, and is what was sent`() async throws {
        let scene = try await Scene()
        #expect(try await scene.exchange(64) == ["64 MiB", "64 MiB", "True", "code 0"])
        await scene.stop()
    }

    @Test func `an upload to a name is what was sent, with its length and without`() async throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let tunnel = try await RunningTunnel.start()
        let client = try await tunnel.client("client --node \(tunnel.address)", until: "AuthCode ")
        let hidden = try await RunningTunnel.freePort()
        #expect(try await tunnel.ask("tunnel add shop.example http://127.0.0.1:\(hidden)").last == "code 0")
        let port = tunnel.address.port
        let said = try await RunningGateway.script(
            """
            cd \(tunnel.folder.path)
            \(root)/Benchmarks/tunnel/uploads.py \(hidden) &
            until curl -sf -o here http://127.0.0.1:\(hidden)/; do sleep 0.05; done
            head -c 32M /dev/urandom >sent
            ask="curl -sS -m 30 --cacert node.crt -H Host:shop.example"
            for way in sent -; do $ask -T $way https://127.0.0.1:\(port)/ <sent >heard; cat heard; done |
                sed "s/$(sha256sum sent | cut -d' ' -f1)/right/"
            kill $!
            """, within: .seconds(60))
        #expect(said == ["right 33554432", "right 33554432", "code 0"])
        await client.stop()
        await tunnel.program.stop()
    }

    @Test func `an event that a page sends is heard within 50 milliseconds`() async throws {
        let tunnel = try await RunningTunnel.start()
        let client = try await tunnel.client("client --node \(tunnel.address)", until: "AuthCode ")
        let hidden = try await RunningTunnel.freePort()
        #expect(try await tunnel.ask("tunnel add shop.example http://127.0.0.1:\(hidden)").last == "code 0")
        let said = try await RunningGateway.script(
            """
            python3 - <<'END' 2>&1
            import http.client, ssl, socket, threading, time
            server = socket.create_server(("127.0.0.1", \(hidden)))
            heard = [threading.Event() for _ in range(9)]
            def page():
                s = server.accept()[0]
                s.recv(4096)
                s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\nConnection: close\\r\\n\\r\\n")
                for event in heard:
                    s.sendall(b"data: %f\\n\\n" % time.monotonic())
                    event.wait(10)
                s.close()
            threading.Thread(target=page).start()
            trust = ssl.create_default_context(cafile="\(tunnel.folder.file("node.crt"))")
            visitor = http.client.HTTPSConnection("127.0.0.1", \(tunnel.address.port), context=trust)
            visitor.request("GET", "/", headers={"Host": "shop.example"})
            answer, times = visitor.getresponse(), []
            for event in heard:
                times.append(time.monotonic() - float(answer.readline()[6:]))
                answer.readline()
                event.set()
            print(sorted(times)[4] < 0.05, answer.read())
            END
            """)
        #expect(said == ["True b''", "code 0"])
        await client.stop()
        await tunnel.program.stop()
    }

    @Test func `at two plain nodes the kernel joins what is bulk, and other visitors share connections`() async throws {
        for (flags, isShared) in [("--bulk", false), ("", true)] {
            let scene = try await Scene(carrier: "tcp", nodes: 2, flags)
            #expect(try await scene.pipesOfOne() == (isShared ? "[0, 0]" : "[4, 4]"))
            #expect(try await scene.exchange(16) == ["16 MiB", "16 MiB", "True", "code 0"])
            for count in try await scene.sharedStreams() { #expect(count.hasSuffix(" 0") != isShared, "\(count)") }
            await scene.stop()
        }
    }

    @Test(arguments: [("tls", 1, ""), ("tls", 2, ""), ("tcp", 1, "--bulk"), ("tcp", 2, "--bulk")])
    func `who breaks off breaks off within a second, and a target that refuses too`(
        carrier: String, nodes: Int, flags: String
    ) async throws {
        let scene = try await Scene(carrier: carrier, nodes: nodes, flags)
        let said = try await scene.python(
            """
            def pair():
                visitor = socket.create_connection(listen)
                visitor.sendall(b"x")
                target = server.accept()[0]
                target.sendall(target.recv(1))
                assert visitor.recv(1) == b"x"
                return visitor, target
            def heard(s, began):
                s.settimeout(5)
                try:
                    return "an end" if s.recv(1) == b"" else "bytes"
                except ConnectionResetError:
                    return "reset" if time.monotonic() - began < 1 else "too late"
            pair()  # The way between the nodes is there from now on.
            for first in 0, 1:
                both = pair()
                both[first].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                began = time.monotonic()
                both[first].close()
                print(heard(both[1 - first], began))
            server.close()
            began = time.monotonic()
            visitor = socket.create_connection(listen)
            visitor.sendall(b"x")
            print(heard(visitor, began))
            """)
        #expect(said == ["reset", "reset", "reset", "code 0"])
        await scene.stop()
    }

    @Test func `an exposure for bulk is one line as well`() async throws {
        let tunnel = try await RunningTunnel.start(carrier: "tcp")
        let hidden = try await RunningTunnel.freePort()
        let expose = try await tunnel.client(
            "expose tcp \(hidden) --bulk --node tcp://\(tunnel.address)", until: "Ctrl-C")
        let line = try #require(await expose.lines.first { $0.hasPrefix("address ") })
        let said = try await RunningGateway.script(
            """
            python3 - <<'END' 2>&1
            import socket
            server = socket.create_server(("127.0.0.1", \(hidden)))
            visitor = socket.create_connection(("127.0.0.1", \(line.split(separator: ":").last ?? "")))
            visitor.sendall(b"x")
            print(server.accept()[0].recv(1))
            END
            curl -sS http://\(tunnel.admin)/metrics | grep '^omniway_tunnel_streams_total '
            """)
        #expect(said == ["b'x'", "omniway_tunnel_streams_total 0", "code 0"])
        await expose.stop()
        await tunnel.program.stop()
    }
}
