import Glibc
import Omniway
import OmniwayTesting
import OmniwayTransport
import Testing

/// `omniway gateway` as operators of the originals know it.
@Suite(.timeLimit(.minutes(2))) struct GatewayCommandTests {
    @Test func `the document's command lines work as they are written`() async throws {
        let folder = try TemporaryFolder()
        // It takes the program's place, so the shell's `$!` is the gateway, and dies with this test.
        try folder.write(
            "omniway", "#!/bin/sh\nexec setpriv --pdeathsig KILL -- \(BuiltProduct.path("omniway")) \"$@\"\n")
        let lines = try await RunningGateway.script(
            """
            cd \(folder.path); chmod +x omniway; PATH=.:$PATH
            nohup omniway gateway --name fastway -ClientAddr=127.0.0.1:0 -ServerAddr 127.0.0.1:0 \
                1>fastway.out 2>fastway.err &
            until grep -q 'setup server' fastway.err 2>/dev/null; do :; done
            [ "$(cat fastway.pid)" = $! ] && echo same
            kill -HUP `cat fastway.pid`
            echo "cpuprof start" > fastway.cmd && kill -SIGUSR1 `cat fastway.pid`
            until grep -q 'cpuprof started' fastway.err; do :; done
            echo "cpuprof stop" > fastway.cmd && kill -SIGUSR1 `cat fastway.pid`
            until [ -s fastway.cpu.prof ]; do :; done
            kill `cat fastway.pid`
            wait $!; echo ended $?
            [ -e fastway.pid ] || echo gone
            grep -c 'nothing to open again' fastway.err
            """)
        #expect(lines == ["same", "ended 0", "gone", "0", "code 1"], "grep finds nothing, and says so")
        #expect(try folder.read("fastway.out").isEmpty)
    }

    @Test func `the pid file holds the number alone, and goes with the process`() async throws {
        let gateway = try await RunningGateway.start()
        #expect(try gateway.folder.read("fastway.pid") == "\(gateway.program.pid)")
        #expect(await gateway.program.stop(signal: SIGINT) == 0)
        #expect(throws: SystemError.self) { try gateway.folder.read("fastway.pid") }
    }

    @Test func `every look-up of the document answers, with a number and without`() async throws {
        let gateway = try await RunningGateway.start()
        let peers = GatewayPeers()
        try await peers.echo(7, over: StreamDialer(try await gateway.address(.server)))
        let connection = try await peers.dial(7, over: StreamDialer(try await gateway.address(.client)))
        let expected = [
            ("block", "late timers"), ("goroutine", "gateway 2"), ("heap", "gateway virtual connections"),
            ("threadcreate", "event loop: sockets, timers and handlers"),
        ]
        for (what, content) in expected {
            for detail in ["", " 0", " 1", " 2\n"] {
                let file = "fastway.\(what).prof"
                try gateway.folder.write(file, "from before")
                try gateway.folder.write("fastway.cmd", "lookup \(what)\(detail)")
                kill(gateway.program.pid, SIGUSR1)
                while try gateway.folder.read(file) == "from before" { await Task.yield() }
                let text = try gateway.folder.read(file)
                #expect(text.contains(content), "lookup \(what)\(detail): \(text)")
                if what == "goroutine" {
                    #expect(text.contains("gateway client") == (detail != "" && detail != " 0"), "\(detail): \(text)")
                }
            }
        }
        for command in ["lookup gc", "lookup gc 0"] {
            let before = await gateway.program.lines.count { $0.contains("NumGC=0") }
            try gateway.folder.write("fastway.cmd", command)
            kill(gateway.program.pid, SIGUSR1)
            while await gateway.program.lines.count(where: { $0.contains("NumGC=0") }) == before { await Task.yield() }
        }
        #expect(await gateway.program.lines.count { $0.contains("NumGC=0") } == 2)
        connection.close()
        #expect(await gateway.program.stop() == 0)
        await peers.loop.shutdown()
    }

    @Test func `a profile can be taken twice, and what cannot be is said in one line`() async throws {
        let gateway = try await RunningGateway.start()
        kill(gateway.program.pid, SIGUSR1)
        #expect(await gateway.program.wait { $0.contains("there is no ./fastway.cmd") })
        #expect(try await gateway.ask("lookup everything", until: "unknown command command=\"lookup everything\""))
        #expect(try await gateway.ask("lookup gc 12345", until: "not one number of up to four digits"))
        #expect(try await gateway.ask("cpuprof stop", until: "cpuprof does not run"))
        #expect(try await gateway.ask("cpuprof start", until: "cpuprof started"))
        #expect(try await gateway.ask("cpuprof start", until: "cpuprof runs already"))
        for round in 1...2 {
            try gateway.folder.write("fastway.cpu.prof", "")
            try gateway.folder.write("fastway.cmd", "cpuprof stop")
            kill(gateway.program.pid, SIGUSR1)
            while try gateway.folder.read("fastway.cpu.prof").isEmpty { await Task.yield() }
            #expect(try gateway.folder.read("fastway.cpu.prof").utf8.first == 0x1f, "it is packed by gzip")
            guard round == 1 else { continue }
            try gateway.folder.write("fastway.cmd", "cpuprof start\n")
            kill(gateway.program.pid, SIGUSR1)
            while await gateway.program.lines.count(where: { $0.contains("started") }) < 2 { await Task.yield() }
        }
        for once in ["there is no ./fastway.cmd", "unknown command", "cpuprof does not run", "cpuprof runs already"] {
            #expect(await gateway.program.lines.count { $0.contains(once) } == 1, "\(once)")
        }
        #expect(await gateway.program.stop() == 0)
    }
}

/// How `omniway gateway` begins and ends.
@Suite(.timeLimit(.minutes(2))) struct GatewayEndTests {
    /// A gateway with one virtual connection.
    private func connected(_ flags: String = "") async throws -> (
        RunningGateway, GatewayPeers, GatewayConnection<TextFormat>
    ) {
        let gateway = try await RunningGateway.start("-ClientAddr 127.0.0.1:0 -ServerAddr 127.0.0.1:0 \(flags)")
        let peers = GatewayPeers()
        try await peers.echo(7, over: StreamDialer(try await gateway.address(.server)))
        let connection = try await peers.dial(7, over: StreamDialer(try await gateway.address(.client)))
        #expect(try await connection.ask("one") == "echo one")
        return (gateway, peers, connection)
    }

    @Test func `the first SIGTERM waits for virtual connections, and accepts no more`() async throws {
        let (gateway, peers, connection) = try await connected("--drain-timeout 1h")
        let address = try await gateway.address(.client)
        kill(gateway.program.pid, SIGTERM)
        #expect(await gateway.program.wait { $0.contains("stopping signal=SIGTERM") })
        while (try? PlainClient(address)) != nil { await Task.yield() }
        #expect(try await connection.ask("two") == "echo two")
        #expect(try gateway.folder.read("fastway.pid") == "\(gateway.program.pid)")
        connection.close()
        #expect(await gateway.program.stop(signal: 0) == 0)
        #expect(throws: SystemError.self) { try gateway.folder.read("fastway.pid") }
        #expect(await !gateway.says("cut off"))
        await peers.loop.shutdown()
    }

    @Test func `the second SIGTERM ends it at once`() async throws {
        let (gateway, peers, connection) = try await connected("--drain-timeout 1h")
        kill(gateway.program.pid, SIGTERM)
        #expect(await gateway.program.wait { $0.contains("stopping signal=SIGTERM") })
        #expect(await gateway.program.stop() == 1)
        #expect(throws: SystemError.self) { try gateway.folder.read("fastway.pid") }
        await #expect(throws: EndpointError.self) { try await connection.ask("two") }
        await peers.loop.shutdown()
    }

    @Test func `connections that last beyond the drain timeout are cut off, and counted`() async throws {
        let (gateway, peers, connection) = try await connected("--drain-timeout 50ms")
        #expect(await gateway.program.stop() == 0)
        #expect(await gateway.says("virtual connections cut off count=1"))
        connection.close()
        await peers.loop.shutdown()
    }

    @Test func `an id that a v1 client has asked for, and not dialled with, holds nothing up`() async throws {
        let gateway = try await RunningGateway.start(
            "-ClientAddr 127.0.0.1:0 -ServerAddr 127.0.0.1:0 --dialect v1 --drain-timeout 1h")
        let client = try PlainClient(try await gateway.address(.client))
        // New, and the first nine bytes of Open.
        #expect(client.ask("\u{5}\0\0\0\0\0\0\0\0") == "\u{9}\0\0\0\0\0\0\0\u{1}")
        #expect(await gateway.program.stop() == 0)
        #expect(await !gateway.says("cut off"))
    }

    @Test func `a busy port is an error with a way out, and takes nobody's pid file`() async throws {
        let first = try await RunningGateway.start()
        let address = try await first.address(.client)
        for folder in [first.folder, try TemporaryFolder()] {
            let lines = try await RunningGateway.script(
                """
                cd \(folder.path)
                exec \(BuiltProduct.path("omniway")) gateway --name fastway -ClientAddr \(address)
                """)
            #expect(lines.last == "code 1")
            #expect(lines.first?.contains("client port: ") == true && lines.count == 2, "\(lines)")
            #expect(lines.first?.contains("choose another address") == true, "\(lines)")
            if folder !== first.folder { #expect(throws: SystemError.self) { try folder.read("fastway.pid") } }
        }
        #expect(try first.folder.read("fastway.pid") == "\(first.program.pid)")
        #expect(await first.program.stop() == 0)
    }

    @Test(
        arguments: [
            ("-ClientAdr :0", 64, "unknown flag -ClientAdr, did you mean --client-addr?"),
            ("-ServerSnetEnabel", 64, "did you mean --server-snet?"),
            ("--dialect v3", 64, "--dialect"),
            ("--name ../fastway", 64, "--name is given twice"),
            ("-ClientAddr udp://:0", 64, "udp://"),
            ("-ClientAddr tls://127.0.0.1:0", 1, "name a certificate and its key"),
            ("--server-auth-key-file /dev/null", 64, "write one key on each line"),
            ("--server-auth-key-file /no/key", 64, "cannot read /no/key"),
            ("--log-file /no/such/folder/log", 78, "cannot open the log file"),
        ])
    func `what is wrong is said in one line`(_ flags: String, _ code: Int, _ says: String) async throws {
        let lines = try await RunningGateway.script(
            "cd /tmp; exec \(BuiltProduct.path("omniway")) gateway --name fastway \(flags)")
        #expect(lines.last == "code \(code)")
        #expect(lines.count == 2 && lines[0].contains(says), "\(lines)")
    }

    @Test(
        arguments: [
            ("0.0.0.0:0", "", true), ("0.0.0.0:0", "-ServerAuthKey key", false), ("127.0.0.1:0", "", false),
            ("unix:gateway.sock", "", false), ("[::]:0", "", true),
        ])
    func `who lets anybody be a server is warned`(_ address: String, _ flags: String, _ warns: Bool) async throws {
        let gateway = try await RunningGateway.start("-ClientAddr 127.0.0.1:0 -ServerAddr \(address) \(flags)")
        #expect(await gateway.program.stop() == 0)
        #expect(await gateway.says("anybody can be a server address=") == warns)
    }
}
