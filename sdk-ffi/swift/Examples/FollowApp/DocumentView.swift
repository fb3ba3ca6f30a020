#if canImport(SwiftUI)
import Steadfast
import SwiftUI

/// A document of DocProc on its way: how far it is, what the models made of it, and the questions they have.
@available(macOS 14, iOS 17, tvOS 17, watchOS 10, *)
struct DocumentView: View {
    let model: SessionModel<DocProc>

    var body: some View {
        List {
            Section("Progress") {
                ProgressView(value: model.snapshot?.progress ?? 0)
                Text(status)
                if let error = model.error { Text(error).foregroundStyle(.red) }
            }
            Section("Models") {
                ForEach(model.snapshot?.items.filter { $0.kind == "model" } ?? []) { item in
                    LabeledContent(item.id, value: "\(item.phase)")
                }
            }
            Section("Questions") {
                ForEach(model.clarifications.filter(\.isPending)) { QuestionView(question: $0) }
            }
        }
        // Follows while this view is there, through lost connections; unsubscribes when it goes.
        .task(id: model.topic) { await model.follow() }
    }

    private var status: String {
        if model.done { return "done" }
        if model.isLive { return model.snapshot?.message ?? "waiting for news" }
        switch model.connection {
        case .waiting(_, _, let why): return "\(why.text): trying again soon"
        case .failed(let why), .displaced(let why): return "\(why.text). \(why.help)"
        case .offline: return "no network"
        default: return "connecting"
        }
    }
}

/// A question, and a field for its answer.
@available(macOS 14, iOS 17, tvOS 17, watchOS 10, *)
struct QuestionView: View {
    let question: Clarification
    @State private var answer = ""
    @State private var trouble: String?

    var body: some View {
        VStack(alignment: .leading) {
            Text(question.question ?? "?")
            TextField("Answer", text: $answer)
            Button("Send") {
                Task {
                    do { try await question.respond(answer) } catch { trouble = error.localizedDescription }
                }
            }
            if let trouble { Text(trouble).foregroundStyle(.red) }
        }
    }
}
#endif
