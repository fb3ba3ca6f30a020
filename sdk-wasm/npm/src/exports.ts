// What both entries offer.

export type { BaseClient, Client, CommandNames } from './client.js';
export type * from './generated/types.js';
export type { Subscription } from './subscription.js';
export { ConfigError, SteadfastError, TokenDenied } from './types.js';
export type {
  ClientEvent, ClientOptions, CommandOptions, ConnectionState, Diagnosis, EventOf, EventType, InterviewState, Item, Logger, Message,
  MessageBase, Pairs, Payload, Service, ServiceEvent, Services, Snapshot, Stats, SubscriptionState, TokenContext, TokenSource,
  UnknownMessage, WebSocketClass, WebSocketLike, Why,
} from './types.js';
