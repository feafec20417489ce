"""Every message there is: its type on the wire, its CloudEvents type, its model, its topic."""

import re
from dataclasses import dataclass

from pydantic import BaseModel

from schemas import auctions, notifications, users
from schemas.envelope import Wire


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message on a topic."""

    name: str
    model: type[BaseModel]
    topic: str
    owner: str
    version: int = 1
    public: bool = True

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


def kebab(name: str) -> str:
    """`BidPlaced` -> `bid-placed`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def _messages(topic: str, owner: str, models: dict[str, type[Wire]]) -> list[Message]:
    return [
        Message(name, model, topic, owner, public=name not in auctions.PRIVATE_EVENTS) for name, model in models.items()
    ]


MESSAGES: tuple[Message, ...] = (
    *_messages(
        "auction-commands",
        "auction",
        {
            "CreateAuction": auctions.CreateAuction,
            "UpdateAuction": auctions.UpdateAuction,
            "PublishAuction": auctions.PublishAuction,
            "PlaceBid": auctions.PlaceBid,
            "BuyNow": auctions.BuyNow,
            "RetractBid": auctions.RetractBidCommand,
            "EndAuction": auctions.EndAuction,
            "CancelAuction": auctions.CancelAuction,
            "LowerReserve": auctions.LowerReserve,
            "BlockBidder": auctions.BlockBidder,
            "CloseAuction": auctions.CloseAuction,
        },
    ),
    *_messages(
        "auction-events",
        "auction",
        {
            model.__name__: model
            for model in (
                auctions.AuctionCreated,
                auctions.AuctionUpdated,
                auctions.BidPlaced,
                auctions.MaximumRaised,
                auctions.BidRefused,
                auctions.AuctionExtended,
                auctions.AuctionEnded,
                auctions.AuctionCancelled,
                auctions.BidRetracted,
                auctions.PriceRecomputed,
                auctions.ReserveLowered,
                auctions.BidderBlocked,
            )
        },
    ),
    *_messages(
        "user-commands",
        "user",
        {
            model.__name__: model
            for model in (
                users.RegisterUser,
                users.VerifyEmail,
                users.ResendVerification,
                users.LogIn,
                users.RefreshSession,
                users.LogOut,
                users.LogOutAll,
                users.ChangePassword,
                users.ForgotPassword,
                users.ResetPassword,
                users.UpdateProfile,
                users.EraseAccount,
                users.BecomeSeller,
                users.GrantRole,
                users.SuspendUser,
                users.ReinstateUser,
                users.FollowSeller,
                users.UnfollowSeller,
                users.WatchAuction,
                users.UnwatchAuction,
            )
        },
    ),
    *_messages(
        "user-events",
        "user",
        {
            model.__name__: model
            for model in (
                users.UserRegistered,
                users.EmailVerificationRequested,
                users.EmailVerified,
                users.SessionOpened,
                users.LoginFailed,
                users.SessionRefreshed,
                users.SessionRevoked,
                users.SessionsRevoked,
                users.PasswordChanged,
                users.PasswordResetRequested,
                users.ProfileUpdated,
                users.RoleGranted,
                users.UserSuspended,
                users.UserReinstated,
                users.UserErased,
                users.SellerFollowed,
                users.SellerUnfollowed,
                users.AuctionWatched,
                users.AuctionUnwatched,
            )
        },
    ),
    *_messages("notification-commands", "notification", {"RecordDelivery": notifications.RecordDelivery}),
    *_messages(
        "notification-events",
        "notification",
        {
            "NotificationSent": notifications.NotificationSent,
            "NotificationFailed": notifications.NotificationFailed,
        },
    ),
)

BY_NAME: dict[str, Message] = {message.name: message for message in MESSAGES}
BY_CE_TYPE: dict[str, Message] = {message.ce_type: message for message in MESSAGES}
assert len(BY_NAME) == len(MESSAGES), "a message name stands twice"
