import Glibc

/// The functions of one ELF file. The file may be any; what does not fit its format gives no table.
final class SymbolTable {
    private struct Function {
        let start: UInt64
        let size: UInt64
        let name: UInt64
    }
    private let file: Int32
    private let strings: UInt64
    private var functions: [Function] = []
    /// Where the parts of the file are in memory, from the file's beginning on.
    private var parts: [(file: Range<UInt64>, memory: UInt64)] = []

    private static let mostBytes: UInt64 = 256 << 20

    /// Nil when the file is not what was mapped, or is no ELF file of 64 bits.
    init?(of mapping: Symbolizer.Mapping) {
        // The program itself is there even when its file has been replaced meanwhile.
        let own = Self.isOwn(mapping.inode)
        // Safe because the call reads the path to its end.
        file = unsafe open(own ? "/proc/self/exe" : mapping.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return nil }
        var status = stat()
        guard unsafe fstat(file, &status) == 0, UInt64(status.st_ino) == mapping.inode else {
            close(file)
            return nil
        }
        guard let header = Self.read(file, 0, 64), Array(header.bytes[..<6]) == [0x7f, 0x45, 0x4c, 0x46, 2, 1],
            let segments = Self.read(file, header.u64(0x20), UInt64(header.u16(0x36)) * UInt64(header.u16(0x38))),
            let sections = Self.read(file, header.u64(0x28), UInt64(header.u16(0x3a)) * UInt64(header.u16(0x3c))),
            let table = Self.symbols(sections, size: Int(header.u16(0x3a)), count: Int(header.u16(0x3c))),
            let symbols = Self.read(file, table.offset, table.size)
        else {
            close(file)
            return nil
        }
        strings = table.strings
        readSegments(segments, size: Int(header.u16(0x36)), count: Int(header.u16(0x38)))
        readFunctions(symbols)
    }

    deinit { close(file) }

    private static func isOwn(_ inode: UInt64) -> Bool {
        var status = stat()
        return unsafe stat("/proc/self/exe", &status) == 0 && UInt64(status.st_ino) == inode
    }

    /// The full table of symbols, or else the one for linking, and where the names are.
    private static func symbols(
        _ sections: FileBytes, size: Int, count: Int
    ) -> (offset: UInt64, size: UInt64, strings: UInt64)? {
        for kind in [2, 11] as [UInt32] {  // SHT_SYMTAB, SHT_DYNSYM
            for section in 0..<count where size >= 64 && sections.u32(section * size + 4) == kind {
                let names = Int(sections.u32(section * size + 0x28))
                guard names < count else { return nil }
                return (
                    sections.u64(section * size + 0x18), sections.u64(section * size + 0x20),
                    sections.u64(names * size + 0x18)
                )
            }
        }
        return nil
    }

    private func readSegments(_ segments: FileBytes, size: Int, count: Int) {
        for segment in 0..<count where size >= 56 && segments.u32(segment * size) == 1 {  // PT_LOAD
            let start = segments.u64(segment * size + 8)
            let (end, overflow) = start.addingReportingOverflow(segments.u64(segment * size + 0x20))
            if !overflow { parts.append((start..<end, segments.u64(segment * size + 0x10))) }
        }
    }

    private func readFunctions(_ symbols: FileBytes) {
        for at in stride(from: 0, to: symbols.bytes.count - 23, by: 24) {
            let kind = symbols.bytes[at + 4] & 0xf
            // STT_FUNC or STT_GNU_IFUNC, and in some section.
            guard kind == 2 || kind == 10, symbols.u16(at + 6) != 0 else { continue }
            functions.append(
                Function(start: symbols.u64(at + 8), size: symbols.u64(at + 16), name: UInt64(symbols.u32(at))))
        }
        functions.sort { ($0.start, $0.size) < ($1.start, $1.size) }
    }

    /// The name of the function that holds this byte of the file.
    func name(at offset: UInt64) -> String? {
        guard let part = parts.first(where: { $0.file.contains(offset) }) else { return nil }
        let address = part.memory &+ (offset - part.file.lowerBound)
        var (low, high) = (0, functions.count)
        while low < high {
            let middle = (low + high) / 2
            if functions[middle].start <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return nil }
        let function = functions[low - 1]
        // What is written by hand has no size.
        guard function.size == 0 || address - function.start < function.size else { return nil }
        guard let name = Self.read(file, strings &+ function.name, 4096, mayBeShort: true) else { return nil }
        return String(decoding: name.bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    private static func read(_ file: Int32, _ offset: UInt64, _ count: UInt64, mayBeShort: Bool = false) -> FileBytes? {
        guard count <= mostBytes, let offset = off_t(exactly: offset) else { return nil }
        // Safe because the call writes no more than there is room for, and says how much it has written.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Int(count)) { room, filled in
            filled = unsafe max(0, pread(file, room.baseAddress, room.count, offset))
        }
        return bytes.count == count || mayBeShort ? FileBytes(bytes: bytes) : nil
    }
}

/// Little-endian numbers at places in a part of a file; zero where there is nothing.
private struct FileBytes {
    let bytes: [UInt8]

    private func number<T: FixedWidthInteger & BitwiseCopyable>(_ at: Int, _ type: T.Type) -> T {
        guard at >= 0, at + MemoryLayout<T>.size <= bytes.count else { return 0 }
        // Safe because the guard proved that the bytes exist, and every bit pattern is an integer.
        return unsafe bytes.withUnsafeBytes { unsafe T(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: T.self)) }
    }
    func u16(_ at: Int) -> UInt16 { number(at, UInt16.self) }
    func u32(_ at: Int) -> UInt32 { number(at, UInt32.self) }
    func u64(_ at: Int) -> UInt64 { number(at, UInt64.self) }
}
