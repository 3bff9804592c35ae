import CSQLite

/// One open database file, for one thread. Statements are prepared once and used again.
///
/// Where pointers are used: safe because SQLite keeps none that it is given, and those that it gives are read before
/// the next call.
@safe
final class SQLiteConnection {
    private let handle: OpaquePointer
    private var statements: [String: SQLiteStatement] = [:]

    /// What becomes of the file when it is opened.
    enum Use { case createdIfMissing, changed, onlyRead }

    init(_ path: String, _ use: Use = .createdIfMissing) throws(RegistryError) {
        var opened: OpaquePointer?
        let flags =
            switch use {
            case .createdIfMissing: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            case .changed: SQLITE_OPEN_READWRITE
            case .onlyRead: SQLITE_OPEN_READONLY
            }
        let code = unsafe sqlite3_open_v2(path, &opened, flags | SQLITE_OPEN_NOMUTEX, nil)
        guard let handle = unsafe opened else {
            throw RegistryError(.unavailable, "SQLite has no memory to open \(path)")
        }
        guard code == SQLITE_OK else {
            let error = unsafe Self.error(handle, code, at: path)
            unsafe sqlite3_close(handle)
            throw error
        }
        unsafe self.handle = handle
        unsafe sqlite3_extended_result_codes(handle, 1)
    }

    deinit {
        statements = [:]
        unsafe sqlite3_close(handle)
    }

    /// How long to wait for another process that writes.
    func wait(milliseconds: Int32) { unsafe sqlite3_busy_timeout(handle, milliseconds) }

    /// Statements without parameters and results.
    func execute(_ script: String) throws(RegistryError) {
        let code = unsafe sqlite3_exec(handle, script, nil, nil, nil)
        if code != SQLITE_OK { throw unsafe Self.error(handle, code, at: script) }
    }

    /// A statement, ready to be bound.
    func statement(_ text: String) throws(RegistryError) -> SQLiteStatement {
        if let known = statements[text] { return known }
        var prepared: OpaquePointer?
        let code = unsafe sqlite3_prepare_v3(handle, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared = unsafe prepared else {
            throw unsafe Self.error(handle, code, at: text)
        }
        let statement = unsafe SQLiteStatement(prepared, of: handle)
        statements[text] = statement
        return statement
    }

    /// Runs a statement that gives nothing, or whose rows nobody wants.
    func run(_ text: String, _ values: SQLiteValue...) throws(RegistryError) {
        try statement(text).rows(values) { _ in false }
    }

    /// The first number of the first row; nil when there is none, or it is null.
    func number(_ text: String, _ values: SQLiteValue...) throws(RegistryError) -> Int64? {
        var number: Int64?
        try statement(text).rows(values) { row in
            number = row.isNull(0) ? nil : row.number(0)
            return false
        }
        return number
    }

    static func error(_ handle: OpaquePointer, _ code: Int32, at place: String) -> RegistryError {
        let words = unsafe String(cString: sqlite3_errmsg(handle))
        return switch code & 0xff {
        case SQLITE_BUSY, SQLITE_LOCKED:
            RegistryError(.unavailable, "another process holds the registry's file for too long (\(words))")
        case SQLITE_FULL: RegistryError(.full, "the disk is full (\(words)); make room")
        case SQLITE_CORRUPT, SQLITE_NOTADB:
            RegistryError(.damaged, "the file is no registry, or it is damaged (\(words)); restore it from a backup")
        case SQLITE_TOOBIG: RegistryError(.tooLarge, words)
        case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH:
            RegistryError(.refused, "the registry's file cannot be written (\(words)); see its owner and mode")
        case SQLITE_CANTOPEN:
            RegistryError(.unavailable, "cannot open \(place) (\(words)); does its folder exist, and who owns it?")
        default: RegistryError(.unavailable, "SQLite says: \(words) (\(code))")
        }
    }
}

enum SQLiteValue {
    case number(Int64)
    case bytes([UInt8])
    case null

    init(_ bytes: RegistryBytes) { self = .bytes(bytes.bytes) }
}

/// A prepared statement. It is reset when its rows were read.
@safe
final class SQLiteStatement {
    private let handle: OpaquePointer
    private let connection: OpaquePointer

    init(_ handle: OpaquePointer, of connection: OpaquePointer) {
        unsafe (self.handle, self.connection) = (handle, connection)
    }
    deinit { unsafe sqlite3_finalize(handle) }

    /// Binds values, runs, and hands over rows until the closure has enough.
    func rows(
        _ values: [SQLiteValue], _ body: (borrowing SQLiteRow) throws(RegistryError) -> Bool
    ) throws(RegistryError) {
        defer { unsafe sqlite3_reset(handle) }
        for (index, value) in values.enumerated() {
            let code = bind(value, Int32(index + 1))
            if code != SQLITE_OK { throw unsafe SQLiteConnection.error(connection, code, at: "a parameter") }
        }
        while true {
            let code = unsafe sqlite3_step(handle)
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { throw unsafe SQLiteConnection.error(connection, code, at: "a statement") }
            if try !body(unsafe SQLiteRow(handle)) { return }
        }
    }

    private func bind(_ value: SQLiteValue, _ index: Int32) -> Int32 {
        switch value {
        case .number(let number): return unsafe sqlite3_bind_int64(handle, index, number)
        case .null: return unsafe sqlite3_bind_null(handle, index)
        case .bytes(let bytes) where bytes.isEmpty: return unsafe sqlite3_bind_zeroblob(handle, index, 0)
        case .bytes(let bytes):
            return unsafe bytes.withUnsafeBytes {
                unsafe omniway_sqlite3_bind_blob(handle, index, $0.baseAddress, Int32($0.count))
            }
        }
    }
}

/// A row of a result, for the time of the call that gets it.
@safe
struct SQLiteRow: ~Copyable {
    private let handle: OpaquePointer
    init(_ handle: OpaquePointer) { unsafe self.handle = handle }

    func number(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(handle, column) }
    func isNull(_ column: Int32) -> Bool { unsafe sqlite3_column_type(handle, column) == SQLITE_NULL }

    func bytes(_ column: Int32) -> RegistryBytes {
        let start = unsafe sqlite3_column_blob(handle, column)
        let count = unsafe Int(sqlite3_column_bytes(handle, column))
        return unsafe RegistryBytes(Array(UnsafeRawBufferPointer(start: start, count: count)))
    }
}
