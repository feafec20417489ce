"""Every message there is: its type on the wire, its CloudEvents type, its model, its topic.

Models are imported when they are asked for: a worker that reads by structs of its own starts without any of them.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from schemas.auction_terms import PRIVATE_EVENTS

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message on a topic."""

    name: str
    source: "type[BaseModel] | str"
    """Its model, or where that stands: `module:class`."""
    topic: str
    owner: str
    version: int = 1
    public: bool = True

    @property
    def model(self) -> "type[BaseModel]":
        """The pydantic model of its `data`."""
        if not isinstance(self.source, str):
            return self.source
        module, _, name = self.source.partition(":")
        model: type[BaseModel] = getattr(import_module(module), name)
        return model

    @property
    def ce_type(self) -> str:
        """CloudEvents type, such as `auction.bid-placed.v1`."""
        return f"{self.owner}.{kebab(self.name)}.v{self.version}"

    @property
    def schema(self) -> str:
        """`ce_dataschema`: where the JSON Schema stands in this repository."""
        return f"schemas/released/{self.ce_type}.json"

    @property
    def is_command(self) -> bool:
        """Whether it asks (a command) or tells (an event)."""
        return self.topic.endswith("-commands")


@cache
def kebab(name: str) -> str:
    """`BidPlaced` -> `bid-placed`. Asked for each message that is sent, and there are few names."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def _messages(topic: str, owner: str, module: str, *names: str, **otherwise: str) -> list[Message]:
    """`names` are classes of the module; `otherwise` says which class stands for a name that is not its own."""
    classes = {name: name for name in names} | otherwise
    return [
        Message(name, f"{module}:{found}", topic, owner, public=name not in PRIVATE_EVENTS)
        for name, found in classes.items()
    ]


MESSAGES: tuple[Message, ...] = (
    *_messages(
        "auction-commands",
        "auction",
        "schemas.auctions",
        "CreateAuction",
        "UpdateAuction",
        "PublishAuction",
        "PlaceBid",
        "BuyNow",
        "EndAuction",
        "CancelAuction",
        "LowerReserve",
        "BlockBidder",
        "CloseAuction",
        RetractBid="RetractBidCommand",
    ),
    *_messages(
        "auction-events",
        "auction",
        "schemas.auctions",
        "AuctionCreated",
        "AuctionUpdated",
        "BidPlaced",
        "MaximumRaised",
        "BidRefused",
        "AuctionExtended",
        "AuctionEnded",
        "AuctionCancelled",
        "BidRetracted",
        "PriceRecomputed",
        "ReserveLowered",
        "BidderBlocked",
    ),
    *_messages(
        "user-commands",
        "user",
        "schemas.users",
        "RegisterUser",
        "VerifyEmail",
        "ResendVerification",
        "LogIn",
        "RefreshSession",
        "LogOut",
        "LogOutAll",
        "ChangePassword",
        "ForgotPassword",
        "ResetPassword",
        "UpdateProfile",
        "EraseAccount",
        "BecomeSeller",
        "GrantRole",
        "SuspendUser",
        "ReinstateUser",
        "FollowSeller",
        "UnfollowSeller",
        "WatchAuction",
        "UnwatchAuction",
    ),
    *_messages(
        "user-events",
        "user",
        "schemas.users",
        "UserRegistered",
        "EmailVerificationRequested",
        "EmailVerified",
        "SessionOpened",
        "LoginFailed",
        "SessionRefreshed",
        "SessionRevoked",
        "SessionsRevoked",
        "PasswordChanged",
        "PasswordResetRequested",
        "ProfileUpdated",
        "RoleGranted",
        "UserSuspended",
        "UserReinstated",
        "UserErased",
        "SellerFollowed",
        "SellerUnfollowed",
        "AuctionWatched",
        "AuctionUnwatched",
    ),
    *_messages(
        "video-commands",
        "video",
        "schemas.videos",
        "RequestUpload",
        "CompleteUpload",
        "WithdrawVideo",
        "ExpireUpload",
        "RecordInspected",
        "RecordEncoded",
        "RecordPublished",
        "RecordPicture",
        "RecordUnfit",
    ),
    *_messages(
        "video-events",
        "video",
        "schemas.videos",
        "VideoUploadRequested",
        "VideoUploaded",
        "VideoProcessingProgressed",
        "VideoPlayable",
        "VideoReady",
        "VideoFailed",
        "VideoWithdrawn",
        "PictureUploadRequested",
        "PictureUploaded",
        "PictureReady",
        "PictureFailed",
        "PictureWithdrawn",
    ),
    *_messages(
        "notification-commands",
        "notification",
        "schemas.notifications",
        "RecordDelivery",
    ),
    *_messages(
        "notification-events",
        "notification",
        "schemas.notifications",
        "NotificationSent",
        "NotificationFailed",
    ),
    *_messages(
        "activity-events",
        "activity",
        "schemas.activity",
        "SearchPerformed",
        "SearchResultClicked",
    ),
    *_messages(
        "payment-commands",
        "payment",
        "schemas.payments",
        "OpenOrder",
        "WakeOrder",
        "CreateIntent",
        "GiveAddress",
        "ChargeSavedMethod",
        "CancelOrder",
        "LiftStrike",
        "ShipOrder",
        "ConfirmDelivery",
        "RateOrder",
        "DisputeOrder",
        "CloseCase",
        "RefundOrder",
        "OfferSecondChance",
        "AcceptOffer",
        "DeclineOffer",
        "StartOnboarding",
        "SavePaymentMethod",
        "RemovePaymentMethod",
        "SetAutomaticPayment",
        "RecordProviderEvent",
        "RecordIntent",
        "RecordRefund",
        "RecordDispute",
        "RecordTransfer",
        "RecordReversal",
        "RecordAccount",
        "RecordPayer",
        "ForgetPayer",
    ),
    *_messages(
        "payment-events",
        "payment",
        "schemas.payments",
        "OrderCreated",
        "SecondChanceOffered",
        "SecondChanceMade",
        "OfferAccepted",
        "OfferLapsed",
        "PaymentStarted",
        "PaymentDeclined",
        "PaymentActionRequired",
        "PaymentChanged",
        "PaymentStopping",
        "ShippingAddressGiven",
        "PaymentReminded",
        "OrderPaid",
        "ProviderFeeKnown",
        "OrderUnpaid",
        "StrikeLifted",
        "OrderCancelled",
        "OrderShipped",
        "OrderDelivered",
        "OrderCompleted",
        "OrderRated",
        "RefundStarted",
        "OrderRefunded",
        "RefundFailed",
        "DisputeOpened",
        "DisputeClosed",
        "PayoutHeld",
        "PayoutStarted",
        "PayoutSent",
        "PayoutFailed",
        "ReversalStarted",
        "PayoutReversed",
        "ReversalFailed",
        "OnboardingStarted",
        "SellerAccountChanged",
        "PayerKnown",
        "PaymentMethodAsked",
        "PaymentMethodSaved",
        "PaymentMethodRemoved",
        "PayerForgotten",
        "AutomaticPaymentSet",
    ),
)

BY_NAME: dict[str, Message] = {message.name: message for message in MESSAGES}
BY_CE_TYPE: dict[str, Message] = {message.ce_type: message for message in MESSAGES}
assert len(BY_NAME) == len(MESSAGES), "a message name stands twice"
