import Testing

@testable import OmniwayArguments

private enum Color: String, CaseIterable { case red, green }
private let loops = Flag("loops", .integer(1...8), default: 2, help: "Event loops.")
private let level = Flag("log-level", .choice, default: Color.red, help: "What is logged.")
private let file = Flag("log-file", .string, default: "", help: "Where.")
private let most = Flag("max-packet", .size, default: 512 << 10, help: "Most bytes.")
private let joins = Flag("join", .strings, default: [], help: "Whom to join.")
private let quick = Flag("quick", .boolean, default: false, help: "Whether it hurries.")

private func settings() -> Settings {
    Settings(
        prefix: "TEST",
        [
            SettingsSection("", flags: [loops]), SettingsSection("log", summary: "The log.", flags: [level, file]),
            SettingsSection(
                "mesh", summary: "The mesh.", flags: [most, joins, quick], defaults: ["join": ["a:1", "b:2"]]),
        ])
}

struct SettingsTests {
    @Test func `a flag is a setting in its section, without the section's name, in words of one hump each`() throws {
        var settings = settings()
        try settings.set("loops=3")
        try settings.set("log.level=green")
        try settings.set("mesh.maxPacket=1M")
        try settings.set("mesh.join=c:3,d:4")
        #expect(settings[""][loops] == 3)
        #expect(settings["log"][level] == .green)
        #expect(settings["mesh"][most] == 1 << 20)
        #expect(settings["mesh"][joins] == ["c:3", "d:4"])
        #expect(settings["log"].given(level) && !settings["log"].given(file))
    }

    @Test func `a section may have defaults of its own, and what is set replaces a whole list`() throws {
        var settings = settings()
        #expect(settings["mesh"][joins] == ["a:1", "b:2"])
        try settings.set("mesh.join", ["c:3"])
        #expect(settings["mesh"][joins] == ["c:3"])
        try settings.set("mesh.join", [])
        #expect(settings["mesh"][joins].isEmpty)
    }

    @Test func `variables have the names of the settings in capitals, and unknown ones are told`() throws {
        var settings = settings()
        let unknown = try settings.set(
            from: [
                "TEST_LOOPS": "4", "TEST_MESH_MAX_PACKET": "2K", "TEST_LOG_LEVL": "green", "HOME": "/",
                "TEST_LOG_FILE": "",
            ])
        #expect(unknown == ["TEST_LOG_LEVL"])
        #expect(settings[""][loops] == 4)
        #expect(settings["mesh"][most] == 2048)
        let error = #expect(throws: SettingError.self) { try settings.set(from: ["TEST_LOOPS": "many"]) }
        #expect(error?.description.hasPrefix("TEST_LOOPS: loops: \"many\" is not valid") == true)
    }

    @Test(
        arguments: [
            ("log.levl=red", "there is no setting \"log.levl\", did you mean log.level?"),
            ("log.nothing=1", "there is no setting \"log.nothing\"; log has level, file"),
            ("nothing=1", "there is no setting \"nothing\"; sections are log, mesh"),
            ("loops=9", "loops: \"9\" is not valid; write a whole number from 1 to 8"),
            ("loops", "\"loops\" sets nothing; write a setting as section.key=value"),
        ])
    func `a wrong setting says what to write`(_ word: String, _ says: String) {
        var settings = settings()
        let error = #expect(throws: SettingError.self) { try settings.set(word) }
        #expect(error?.description == says)
    }

    @Test func `a command line counts for the settings that it has flags for`() throws {
        var settings = settings()
        try settings.set("loops=3")
        let command = Command("up", summary: "Starts.", flags: [loops, level])
        guard case .run(let call) = try command.parse(["--loops", "5"]) else { return #expect(Bool(false)) }
        settings.set(from: call)
        #expect(settings[""][loops] == 5)
        #expect(settings["log"][level] == .red)
    }

    @Test func `changes name what is otherwise, with both values`() throws {
        let old = settings()
        var new = old
        #expect(old.changes(to: new).isEmpty)
        try new.set("log.file=a.log")
        try new.set("mesh.quick=true")
        #expect(old.changes(to: new).map(\.description) == ["log.file: nothing → a.log", "mesh.quick: false → true"])
    }

    @Test func `a sample has each setting as a comment, with its default`() {
        #expect(
            settings().sample == """
                {
                    // Event loops.
                    // loops: 2,

                    // The log.
                    log: {
                        // What is logged.
                        // level: "red",

                        // Where.
                        // file: "",
                    },

                    // The mesh.
                    mesh: {
                        // Most bytes.
                        // maxPacket: "512K",

                        // Whom to join.
                        // join: ["a:1", "b:2"],

                        // Whether it hurries.
                        // quick: false,
                    },
                }

                """)
    }
}
