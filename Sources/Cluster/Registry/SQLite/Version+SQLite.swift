import CSQLite
public import OmniwayTelemetry

extension Version {
    /// The version of SQLite that this process runs with. Safe because the text is a constant.
    public static var sqlite: String { unsafe String(cString: sqlite3_libversion()) }
}
