import Foundation
import Testing

/// What the package shows to apps, as the compiler lists it.
private struct Interface: Decodable {
    struct Symbol: Decodable {
        struct Identifier: Decodable { let precise: String }
        struct Documentation: Decodable {}
        struct Fragment: Decodable { let spelling: String }
        let identifier: Identifier
        let pathComponents: [String]
        let accessLevel: String
        let docComment: Documentation?
        let declarationFragments: [Fragment]?
    }

    let symbols: [Symbol]
}

@Test(.enabled(if: ProcessInfo.processInfo.environment["SYMBOLS"] != nil, "`cargo xtask test swift` has the list made"))
func everythingPublicIsDocumentedAndReadsLikeSwift() throws {
    let file = URL(fileURLWithPath: ProcessInfo.processInfo.environment["SYMBOLS"]!)
    let interface = try JSONDecoder().decode(Interface.self, from: Data(contentsOf: file))
    // Not what the compiler adds by itself, such as `!=`.
    let own = interface.symbols.filter {
        ["public", "open"].contains($0.accessLevel) && !$0.identifier.precise.contains("::SYNTHESIZED::")
    }
    #expect(own.count > 500)
    for symbol in own {
        let name = symbol.pathComponents.joined(separator: ".")
        #expect(symbol.docComment != nil, "\(name) has no documentation")
        let text = ([name] + (symbol.declarationFragments ?? []).map(\.spelling)).joined(separator: " ")
        for noise in ["FfiConverter", "UInt", "Int64", "RustBuffer", "niffi", "Native"] {
            #expect(!text.contains(noise), "\(name): \(text)")
        }
    }
}
