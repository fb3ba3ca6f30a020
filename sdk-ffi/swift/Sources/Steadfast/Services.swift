/// One of the five services, as a type: what a ``Client`` is a client of.
///
/// The five types that conform to it are never made; they only say which messages and commands there are.
public protocol SteadfastService: Sendable {
    /// Its messages.
    associatedtype Content: Hashable, Sendable

    /// The same service as a value.
    static var service: Service { get }

    /// Takes its message out of one that may be of any service.
    static func content(of data: ServiceMessage) -> Content?
}

/// Upload and OCR of conversations.
public enum Charisma: SteadfastService {
    /// The same service as a value.
    public static let service = Service.charisma

    /// Takes its message out of one that may be of any service.
    public static func content(of data: ServiceMessage) -> CharismaMessage? {
        if case .charisma(let message) = data { message } else { nil }
    }
}

/// Transcription of therapy sessions, with a connection for each session.
public enum TherapyBridge: SteadfastService {
    /// The same service as a value.
    public static let service = Service.therapyBridge

    /// Takes its message out of one that may be of any service.
    public static func content(of data: ServiceMessage) -> TherapyBridgeMessage? {
        if case .therapyBridge(let message) = data { message } else { nil }
    }
}

/// Family biographies.
public enum Saga: SteadfastService {
    /// The same service as a value.
    public static let service = Service.saga

    /// Takes its message out of one that may be of any service.
    public static func content(of data: ServiceMessage) -> SagaMessage? {
        if case .saga(let message) = data { message } else { nil }
    }
}

/// Document processing by several models.
public enum DocProc: SteadfastService {
    /// The same service as a value.
    public static let service = Service.docProc

    /// Takes its message out of one that may be of any service.
    public static func content(of data: ServiceMessage) -> DocProcMessage? {
        if case .docProc(let message) = data { message } else { nil }
    }
}

/// Analysis of repositories, and mock interviews.
public enum DevContext: SteadfastService {
    /// The same service as a value.
    public static let service = Service.devContext

    /// Takes its message out of one that may be of any service.
    public static func content(of data: ServiceMessage) -> DevContextMessage? {
        if case .devContext(let message) = data { message } else { nil }
    }
}

/// A client of Charisma.
public typealias CharismaClient = Client<Charisma>
/// A client of TherapyBridge.
public typealias TherapyBridgeClient = Client<TherapyBridge>
/// A client of Saga.
public typealias SagaClient = Client<Saga>
/// A client of DocProc.
public typealias DocProcClient = Client<DocProc>
/// A client of DevContext.
public typealias DevContextClient = Client<DevContext>
