import Glibc

/// Executables that were built together with the running tests.
public enum BuiltProduct {
    /// The path of an executable of the package.
    public static func path(_ name: String) -> String {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count)
        let running = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        return running.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/") + "/"
            + name
    }
}
