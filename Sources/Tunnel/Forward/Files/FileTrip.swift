import OmniwayTransport
import OmniwayWire

/// One connection of a visitor to a folder, at the client that has the folder: it is a server of HTTP there.
final class FileTrip: LinkHandler {
    private let server: HTTPServer

    static func begin(_ rule: TunnelRule, _ headers: InvokeHeaders, for client: TunnelClient) {
        var routes = HTTPRoutes()
        let folder = FileFolder(rule.targetAddress.path)
        routes.get("/*path") { exchange in FileVisit.begin(exchange, folder) }
        // Longer than nodes keep connections without a request, so that none goes to one that is just ending.
        let limits = HTTPServerLimits(idle: .seconds(120))
        let trip = FileTrip(HTTPServer(on: client.loop, routes: routes, limits: limits))
        let stream = client.carrier.peer.dial(handler: trip)
        stream?.write(StreamGreeting.bytes(TunnelNode.Path.go, headers: headers, on: client.loop))
    }

    private init(_ server: HTTPServer) { self.server = server }

    func opened(_ link: Link) {
        guard let handler = server.accept(link) else { return link.close(.refused) }
        link.handler = handler
        handler.opened(link)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { 0 }
}

/// One file on its way to a visitor: each piece is read beside the loop, when there is room for it.
final class FileVisit: HTTPExchangeHandler {
    private let visitor: HTTPExchange
    private let file: OpenFile
    private var rest: Range<Int>
    private var isReading = false
    private static let piece = 128 << 10

    static func begin(_ exchange: HTTPExchange, _ folder: FileFolder) {
        guard let path = HTTPPercent.decode(exchange.request.path) else {
            return exchange.respond(.notFound, "there is no such file\n")
        }
        exchange.loop.offLoop {
            folder.open(path)
        } _: { found in
            guard exchange.isOpen else { return }
            switch found ?? .busy {
            case .file(let file): answer(exchange, file)
            case .folder:
                let place = exchange.request.path + "/" + (exchange.request.query.map { "?\($0)" } ?? "")
                // Two slashes at the beginning would be another host.
                let target = "/" + place.drop { $0 == "/" }
                exchange.respond(.permanentRedirect, [], ["Location": target])
            case .nothing: exchange.respond(.notFound, "there is no such file\n")
            case .busy: exchange.respond(.serviceUnavailable, "too many files are being read; try again later\n")
            }
        }
    }

    private static func answer(_ exchange: HTTPExchange, _ file: OpenFile) {
        var headers: HTTPHeaders = [
            "Content-Type": FileType.of(file.name), "Accept-Ranges": "bytes", "ETag": file.tag,
            "X-Content-Type-Options": "nosniff",
        ]
        let known = exchange.request.headers.list("if-none-match")
        if known.contains(file.tag) || known == ["*"] { return exchange.respond(.notModified, [], headers) }
        let isSame = exchange.request.headers["if-range"].map { $0 == file.tag } ?? true
        switch isSame ? FileRange.asked(exchange.request.headers["range"], of: file.size) : .all {
        case .all: FileVisit(exchange, file, 0..<file.size).begin(.ok, headers)
        case .part(let range):
            headers.add("Content-Range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(file.size)")
            FileVisit(exchange, file, range).begin(HTTPStatus(206), headers)
        case .outside:
            exchange.respond(
                HTTPStatus(416), "the file has \(file.size) bytes\n", ["Content-Range": "bytes */\(file.size)"])
        }
    }

    private init(_ visitor: HTTPExchange, _ file: OpenFile, _ rest: Range<Int>) {
        (self.visitor, self.file, self.rest) = (visitor, file, rest)
    }

    private func begin(_ status: HTTPStatus, _ headers: HTTPHeaders) {
        visitor.begin(status, headers, length: rest.count)
        if visitor.request.method == .head || rest.isEmpty { return visitor.finish() }
        visitor.handler = self
        readOn()
    }

    private func readOn() {
        guard !isReading, !visitor.isFull else { return }
        isReading = true
        let (file, start, count) = (file, rest.lowerBound, min(rest.count, Self.piece))
        visitor.loop.offLoop {
            file.read(at: start, count)
        } _: { [self] bytes in
            isReading = false
            // A file that has shrunk has less than was promised.
            guard let bytes, !bytes.isEmpty else { return visitor.breakOff("the file could not be read to its end") }
            rest = rest.lowerBound + bytes.count..<rest.upperBound
            visitor.write(bytes)
            if rest.isEmpty { visitor.finish() } else { readOn() }
        }
    }

    func writable(_ exchange: HTTPExchange) { readOn() }
}

/// What of a file is asked for (RFC 9110, section 14). Several pieces at once are answered with the whole.
enum FileRange: Equatable {
    case all, part(Range<Int>), outside

    static func asked(_ field: String?, of size: Int) -> FileRange {
        guard let text = field?.lowercased().after("bytes="), !text.contains(",") else { return .all }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { $0.filter { $0 != " " } }
        guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else {
            return .all
        }
        if ends[0].isEmpty {
            guard let count = Int(ends[1]) else { return .all }
            return count == 0 || size == 0 ? .outside : .part(max(0, size - count)..<size)
        }
        guard let first = Int(ends[0]) else { return .outside }
        guard first < size else { return .outside }
        if ends[1].isEmpty { return .part(first..<size) }
        let last = Int(ends[1]) ?? .max
        return last < first ? .all : .part(first..<(last < size ? last + 1 : size))
    }
}

enum FileType {
    private static let known = [
        "html": "text/html; charset=utf-8", "htm": "text/html; charset=utf-8", "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8", "mjs": "text/javascript; charset=utf-8",
        "json": "application/json", "txt": "text/plain; charset=utf-8", "md": "text/plain; charset=utf-8",
        "xml": "application/xml", "svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg",
        "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "avif": "image/avif", "ico": "image/x-icon",
        "pdf": "application/pdf", "wasm": "application/wasm", "woff": "font/woff", "woff2": "font/woff2",
        "ttf": "font/ttf", "mp3": "audio/mpeg", "wav": "audio/wav", "mp4": "video/mp4", "webm": "video/webm",
        "zip": "application/zip", "gz": "application/gzip", "csv": "text/csv; charset=utf-8",
    ]

    static func of(_ name: String) -> String {
        guard let dot = name.lastIndex(of: ".") else { return "application/octet-stream" }
        return known[name[name.index(after: dot)...].lowercased()] ?? "application/octet-stream"
    }
}
