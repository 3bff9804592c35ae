import OmniwayTransport
import OmniwayWire

/// What a visitor of a name sees when the node itself answers.
enum WebPage {
    static func answer(_ exchange: HTTPExchange, _ status: HTTPStatus, _ more: HTTPHeaders = HTTPHeaders()) {
        var headers: HTTPHeaders = ["Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"]
        for (name, value) in more { headers.add(name, value) }
        let page =
            "<!doctype html><title>\(status)</title><h1>\(status)</h1><p>\(words(status))</p>\n"
        exchange.respond(status, Array(page.utf8), headers)
    }

    /// Nothing of what was asked stands in them.
    private static func words(_ status: HTTPStatus) -> String {
        switch status {
        case .notFound: "Nothing is served under this name here."
        case .unauthorized: "This name is not for everybody; say who you are."
        case .forbidden: "This name may not be reached from where you are."
        case .badGateway: "What serves this name cannot be reached, or has given no answer that can be read."
        case .serviceUnavailable: "What serves this name is offline, or has more to do than it can; try again later."
        case .gatewayTimeout: "What serves this name has not answered in time."
        case .badRequest: "The request cannot be passed on."
        default: "The request has failed."
        }
    }
}
