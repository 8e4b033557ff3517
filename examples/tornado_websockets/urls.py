from django.urls import path

import views

urlpatterns = [
    path("", views.index),
    path("login", views.login),
    path("upload", views.upload),
    path("slow", views.slow),
]
