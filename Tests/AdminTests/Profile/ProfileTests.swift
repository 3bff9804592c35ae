import Glibc
import OmniwayTesting
import OmniwayTransport
import Testing

@testable import OmniwayAdmin

/// There is one profiler for the process.
@Suite(.serialized, .timeLimit(.minutes(1))) struct ProfileTests {
    @Test func `a profile shows who was busy, and can be made again`() async throws {
        for _ in 0..<2 {
            try await CPUProfiler.shared.start()
            await #expect(throws: CPUProfilerError.self) { try await CPUProfiler.shared.start() }
            burn(.milliseconds(300))
            let profile = try await CPUProfiler.shared.stop()
            #expect(profile.counts.values.reduce(0, +) > 5)
            #expect(profile.threads.contains { $0.user > .milliseconds(50) })
            let decoded = try await decode(profile.pprof)
            #expect(decoded.contains("types samples/count cpu/nanoseconds period 10000000"))
            let busy = decoded.filter { $0.hasPrefix("sample ") && $0.contains("AdminTests.burn(") }
            #expect(!busy.isEmpty)
            #expect(busy.allSatisfy { $0.contains("thread=") && !$0.contains("value=0 ") })
            #expect(decoded.contains { $0.hasPrefix("comment thread ") && $0.contains(" user ") })
            #expect(decoded.contains { $0.hasPrefix("mapping ") && $0.contains("libc.so.6") })
        }
        await #expect(throws: CPUProfilerError.self) { try await CPUProfiler.shared.stop() }
    }

    @Test func `a thread says where it is, and one that does not exist says nothing`() async throws {
        let loop = EventLoop()
        _ = await loop.snapshot()
        let stacks = ThreadTable.stacks()
        #expect(stacks.contains("epoll_wait"))
        #expect(!stacks.contains("main thread of the program\n  it does not answer"))
        await loop.shutdown()
    }

    @Test func `gzip's checksum is CRC-32`() {
        #expect(Gzip.checksum(Array("123456789".utf8)) == 0xcbf4_3926)
    }

    @Test func `only what holds code is taken from the map, whatever its path is`() {
        let map = Symbolizer.parse(
            """
            55d0-55e0 r-xp 00001000 08:01 42                         /opt/my programs/omni way
            55e0-55f0 rw-p 00002000 08:01 42                         /opt/omniway
            7ff0-7fff r-xp 00000000 00:00 0
            8000-8fff r-xp 00000000 00:00 0                          [vdso]
            rubbish
            9000-8000 r-xp 00000000 00:00 0                          backwards
            """)
        #expect(map.map(\.path) == ["/opt/my programs/omni way", "[vdso]"])
        #expect(map[0].range == 0x55d0..<0x55e0)
        #expect(map[0].offset == 0x1000)
        #expect(map[0].inode == 42)
    }

    @Test func `a thread's name may hold brackets and blanks`() throws {
        let use = try #require(
            ThreadTable.parse("7 (a) b (c) S 1 1 1 0 -1 0 0 0 0 0 150 25 0 0 20 0 1 0 12345 0 0", 7))
        #expect(use.name == "a) b (c")
        #expect(use.user == .milliseconds(1500))
        #expect(use.system == .milliseconds(250))
        #expect(use.started == .milliseconds(123_450))
        #expect(ThreadTable.parse("", 7) == nil)
        #expect(ThreadTable.parse("7 (x) S 1", 7) == nil)
    }

    @Test(arguments: 1...200) func `a broken symbol table gives no names, and no harm`(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let folder = try TemporaryFolder()
        var bytes = [UInt8](repeating: 0, count: Int.random(in: 0...400, using: &random))
        for index in bytes.indices { bytes[index] = UInt8.random(in: 0...(seed % 2 == 0 ? 255 : 3), using: &random) }
        bytes.replaceSubrange(0..<min(6, bytes.count), with: [0x7f, 0x45, 0x4c, 0x46, 2, 1].prefix(bytes.count))
        // Tables of a plausible size, within the file.
        for (at, value) in [(0x28, 64), (0x20, 64), (0x36, 56), (0x38, 2), (0x3a, 64), (0x3c, 4)]
        where at < bytes.count { bytes[at] = UInt8(value) }
        for at in [0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x37, 0x39, 0x3b, 0x3d] where at < bytes.count {
            bytes[at] = 0
        }
        try PlainFile.write(bytes, to: folder.file("elf"))
        var status = stat()
        #expect(unsafe stat(folder.file("elf"), &status) == 0)
        let mapping = Symbolizer.Mapping(
            range: 0..<4096, offset: 0, inode: UInt64(status.st_ino), path: folder.file("elf"))
        let table = SymbolTable(of: mapping)
        for offset in stride(from: UInt64(0), to: 4096, by: 100) {
            #expect((table?.name(at: offset)?.count ?? 0) <= 4096)
        }
    }

    /// What another decoder makes of a profile, line by line.
    private func decode(_ profile: [UInt8]) async throws -> [String] {
        let folder = try TemporaryFolder()
        try PlainFile.write(profile, to: folder.file("cpu.prof"))
        try folder.write("decode.py", Self.decoder)
        let program = try await TestProgram(["python3", folder.file("decode.py"), folder.file("cpu.prof")]) {
            $0 == "done"
        }
        let lines = await program.lines
        await program.stop()
        return lines
    }

    private static let decoder = """
        import gzip, sys
        data = gzip.open(sys.argv[1]).read()
        def number(b, i):
            value = shift = 0
            while True:
                c = b[i]; i += 1; value |= (c & 127) << shift; shift += 7
                if c < 128: return value, i
        def fields(b):
            i = 0
            while i < len(b):
                key, i = number(b, i)
                value, i = number(b, i)
                if key & 7 == 2: value, i = b[i:i + value], i + value
                elif key & 7: sys.exit("wire type %d" % (key & 7))
                yield key >> 3, value
        def row(b):
            i, out = 0, []
            while i < len(b):
                value, i = number(b, i)
                out.append(value)
            return out
        every = list(fields(data))
        one = lambda b: dict(fields(b))
        text = [v.decode() for k, v in every if k == 6]
        kinds = [text[one(v)[1]] + "/" + text[one(v)[2]] for k, v in every if k == 1]
        print("types", *kinds, "period", dict(every)[12])
        names = {one(v)[1]: text[one(v)[2]] for k, v in every if k == 5}
        mappings = {one(v)[1]: text[one(v)[5]] for k, v in every if k == 3}
        for m in mappings.values(): print("mapping", m)
        places = {}
        for k, v in every:
            if k == 4:
                place = one(v)
                assert place.get(2) is None or place[2] in mappings
                places[place[1]] = names[one(place[4])[1]] if 4 in place else hex(place[3])
        for k, v in every:
            if k == 2:
                sample = one(v)
                count, time = row(sample[2])
                assert time == count * 10000000
                label = one(sample[3])
                frames = [places[p] for p in row(sample[1])]
                print("sample value=%d %s=%s" % (count, text[label[1]], text[label[2]]), frames)
            if k == 13:
                for c in row(v): print("comment", text[c])
        print("done")
        """
}

/// Uses a processor, under a name that a profile shows.
@inline(never) func burn(_ time: Duration) {
    let start = processorTime()
    var sum: UInt64 = 1
    // By the processor's time: on a busy machine the other would be over before there is a sample.
    while processorTime() - start < time, sum != 0 {
        for number in 0..<2000 as Range<UInt64> { sum = (sum ^ number) &* 1_099_511_628_211 }
    }
}

private func processorTime() -> Duration {
    var used = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used)
    return .seconds(used.tv_sec) + .nanoseconds(used.tv_nsec)
}
