import Foundation
import Steadfast

/// Follows a topic of any service: `swift run follow charisma ws://127.0.0.1:8090/charisma session_1`, with the token in
/// the environment variable `TOKEN`.
@main
struct Follow {
    static func main() async throws {
        var words = Array(CommandLine.arguments.dropFirst())
        let insecure = words.contains("--insecure")
        words.removeAll { $0 == "--insecure" }
        guard words.count == 3 else { return usage() }
        let token = ProcessInfo.processInfo.environment["TOKEN"]
        let options = ClientOptions(endpoint: .url(words[1]), token: token, allowInsecure: insecure)
        switch words[0] {
        case "charisma": try await follow(words[2], of: CharismaClient(options))
        case "therapybridge": try await follow(words[2], of: TherapyBridgeClient(options))
        case "saga": try await follow(words[2], of: SagaClient(options))
        case "docproc": try await follow(words[2], of: DocProcClient(options))
        case "devcontext": try await follow(words[2], of: DevContextClient(options))
        default: usage()
        }
    }

    static func usage() {
        print("usage: follow charisma|therapybridge|saga|docproc|devcontext URL TOPIC [--insecure]")
    }

    static func follow<S>(_ topic: String, of client: Client<S>) async throws {
        for await event in try client.session(topic).events {
            switch event {
            case .message(let message):
                let percent = message.progress.map { " \(Int($0 * 100)) %" } ?? ""
                print("\(message.name)\(percent)")
            case .state(.refused(let why)):
                print("refused: \(why.text). \(why.help)")
            case .state(let state):
                print("now \(state)")
            case .gap(_, _, let recovered):
                print(recovered ? "was away; the present state is known" : "something may have been missed")
            default:
                break
            }
        }
        await client.shutdown()
    }
}
