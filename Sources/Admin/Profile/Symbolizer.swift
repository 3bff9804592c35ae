import CSystem
import Glibc

/// Names of functions for addresses of this process, from the symbol tables of the files that it runs.
struct Symbolizer {
    struct Mapping: Sendable {
        let range: Range<UInt>
        let offset: UInt
        let inode: UInt64
        let path: String
    }

    /// What holds code, in the order of addresses.
    let map: [Mapping]
    private var tables: [String: SymbolTable?] = [:]

    init() { map = Self.parse(PlainFile.text("/proc/self/maps")) }

    /// Lines such as `7f…-7f… r-xp 00001000 08:01 1234   /usr/lib/libc.so.6`.
    static func parse(_ text: String) -> [Mapping] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            guard words.count == 6, words[1].contains("x") else { return nil }
            let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard ends.count == 2, ends[0] < ends[1], let offset = UInt(words[2], radix: 16),
                let inode = UInt64(words[4])
            else { return nil }
            let path = words[5].drop { $0 == " " }
            return Mapping(range: ends[0]..<ends[1], offset: offset, inode: inode, path: String(path))
        }
    }

    /// The mapping's place in `map` and the function's name as the linker knows it, as far as they are known.
    mutating func find(_ address: UInt) -> (mapping: Int?, symbol: String?) {
        guard let place = map.firstIndex(where: { $0.range.contains(address) }) else { return (nil, nil) }
        let mapping = map[place]
        if tables[mapping.path] == nil { tables[mapping.path] = .some(SymbolTable(of: mapping)) }
        let table = tables[mapping.path] ?? nil
        return (place, table?.name(at: UInt64(address - mapping.range.lowerBound + mapping.offset)))
    }

    /// The same as a line for a person.
    mutating func describe(_ address: UInt) -> String {
        let (place, symbol) = find(address)
        let file = place.map { map[$0].path.split(separator: "/").last.map(String.init) ?? map[$0].path }
        return "0x\(String(address, radix: 16)) \(symbol.map(Self.demangled) ?? "?") in \(file ?? "nothing")"
    }

    static func demangled(_ symbol: String) -> String {
        // Safe because the call gives a text of its own, which ends with a zero and is freed here.
        guard symbol.hasPrefix("$s"), let text = unsafe csystem_demangle(symbol) else { return symbol }
        defer { unsafe free(text) }
        return unsafe String(cString: text)
    }
}
