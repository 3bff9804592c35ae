import Glibc
import OmniwayCluster
import OmniwayTransport

/// Another process that uses a registry's file: `RegistryWriter FILE PREFIX COUNT`. It puts COUNT keys, each with the
/// moment at which it was put, and says so; with a COUNT of 0 it never ends.
@main
struct RegistryWriter {
    static func main() async throws {
        let words = CommandLine.arguments.dropFirst()
        guard words.count == 3, let file = words.first, let count = words.last.flatMap({ Int($0) }) else {
            return print("usage: RegistryWriter FILE PREFIX COUNT")
        }
        let prefix = words[words.startIndex + 1]
        let loop = EventLoop()
        let registry = try await Registry.open(.sqlite(file), on: loop)
        var number = 0
        while count == 0 || number < count {
            let moment = await loop.run { $0.clockTime.nanoseconds }
            try await registry.put("\(prefix)\(number)", "\(moment)")
            say("put \(number)")
            number += 1
            if count > 0 { try await Task.sleep(for: .milliseconds(20)) }
        }
        await registry.close()
        await loop.shutdown()
    }

    /// At once; `print` keeps what goes to no terminal.
    private static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = unsafe write(1, bytes, bytes.count)  // Safe because the call reads the array and keeps nothing.
    }
}
