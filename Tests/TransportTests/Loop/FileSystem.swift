import FoundationEssentials

enum FileSystem {
    /// How many entries a folder has.
    static func count(_ folder: String) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: folder).count
    }
}
